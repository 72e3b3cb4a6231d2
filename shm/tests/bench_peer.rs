//! A measurement whose other process dies before it has joined: it ends, and says how that did.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::mpsc::channel;
use std::time::Duration;

use selkie_shm::bench::{BenchError, Config, Program, Size, Transport, run};

/// Nothing here takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Measures with a peer that does this instead; gives why that failed.
fn with_peer(transport: Transport, script: &str) -> BenchError {
    let config = Config {
        transports: vec![transport],
        sizes: vec!["64".parse::<Size>().unwrap()],
        rounds: 1,
        time: Duration::from_millis(100),
        messages: Some(10),
        dir: std::env::temp_dir(),
        peer: Program { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] },
    };
    let (done, result) = channel();
    std::thread::spawn(move || done.send(run(&config, |_| {}).map(drop)));
    result.recv_timeout(DEADLINE).expect("no end, or a panic").unwrap_err()
}

#[test]
fn a_peer_that_dies_before_it_joins_is_not_waited_for() {
    let deaths = [
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        // Having had its order, or that and the fds, which end with the program that read them.
        ("dd bs=65536 count=1 of=/dev/null 2>&1; exit 4", "exit status: 4"),
        ("dd bs=65536 count=2 of=/dev/null 2>&1; kill -9 $$", "signal: 9 (SIGKILL)"),
    ];
    for transport in Transport::ALL {
        // What comes without fds is one message.
        let messages = if matches!(transport, Transport::Posix | Transport::Sysv) { 3 } else { 4 };
        for (script, expected) in &deaths[..messages] {
            match with_peer(transport, script) {
                BenchError::PeerEnded { how, .. } => assert_eq!(how, *expected, "{transport}: {script}"),
                other => panic!("{transport}: {script}: {other:?}"),
            }
        }
    }
}
