//! The cases: a file each, a folder for each group.

mod arithmetic;
mod dmabuf;
mod handout;
mod lifetime;
mod load;
mod memory;

use crate::case::Case;

/// What a case file needs; not each needs all.
#[allow(unused_imports)]
mod prelude {
    pub use crate::attack::{Numbers, SERVED};
    pub use crate::case::{Case, Outcome, Stop};
    pub use crate::expect::{Refusal, done_or_refused, refused};
    pub use crate::memory;
    pub use crate::session::Session;
    pub use crate::share;
    pub use crate::window::{BYTES, SIDE};
    pub use crate::wire::{self, Arg, Wire};
    pub use selkie_protocols::wayland_client::protocol::{wl_display, wl_shm};
    pub use std::os::fd::AsFd;
    pub use std::time::{Duration, Instant};
}

/// The groups, in the order in which they are run.
pub const GROUPS: [(&str, &str, &[Case]); 6] = [
    ("memory", "what is shared: kinds of memory, seals, sizes, and their changes", memory::CASES),
    ("arithmetic", "numbers at and beyond every edge", arithmetic::CASES),
    ("lifetime", "when pools and buffers come and go, and when the client is told", lifetime::CASES),
    ("dmabuf", "dma-bufs and their synchronisation", dmabuf::CASES),
    ("handout", "memory that the compositor hands out", handout::CASES),
    ("load", "too much of everything, and what is left afterwards", load::CASES),
];

/// All cases, in the order in which they are run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().flat_map(|(_, _, cases)| cases.iter())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn each_case_says_all_about_itself_and_has_an_id_of_its_own() {
        let mut ids = HashSet::new();
        for (group, _, cases) in GROUPS {
            for case in cases {
                let id = case.id;
                assert_eq!(case.group(), group, "{id}");
                assert!(ids.insert(id), "{id} twice");
                assert!(
                    id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c)),
                    "{id}"
                );
                for text in [case.does, case.must, case.matters] {
                    assert!(text.ends_with('.') && text.len() > 10, "{id}: {text:?} is no sentence");
                }
                assert!(!case.reference.is_empty(), "{id}");
            }
        }
    }

    #[test]
    fn each_file_is_a_case_that_is_run() {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases");
        for (group, _, cases) in GROUPS {
            let files = fs::read_dir(base.join(group)).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let files: HashSet<String> = names.filter(|name| name != "mod.rs").collect();
            let ids = cases.iter().map(|case| case.id.split_once('.').unwrap().1);
            let wanted: HashSet<String> =
                ids.map(|id| format!("{}.rs", id.replace(['-', '.'], "_"))).collect();
            assert_eq!(files, wanted, "{group}");
        }
    }
}
