//! The corpus without a fuzzer: no target rots, and what was found once is looked for again.

use std::path::Path;

/// One test and not one for each target: they count the fds of the process.
#[test]
fn there_is_no_finding_in_the_corpus() {
    replay("requests", selkie_fuzz::requests::run);
    replay("pool_arithmetic", selkie_fuzz::pool_arithmetic::run);
    replay("verdict", selkie_fuzz::verdict::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = std::fs::read_dir(&directory).expect("there is a corpus");
    let files: Vec<_> = files.map(|file| file.expect("a file of the corpus").path()).collect();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    for file in files {
        // A finding panics, and this says which it was.
        println!("{}", file.display());
        run(&std::fs::read(&file).expect("a file of the corpus"));
    }
}
