//! Bytes without any meaning, as a program sends them that thinks it speaks to somebody else.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.garbage",
    does: "Sends 4096 random bytes, the same in each run, over each of 30 connections.",
    must: SERVED,
    reference: "wayland-book, Wire protocol; wayland.xml, wl_display.error",
    matters: "Anybody can write to the socket; the decoder is the first line, and the only one that sees everything.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        let mut numbers = Numbers(0x5e1_c1e5);
        for _ in 0..30 {
            let bytes: Vec<u8> = (0..4096).map(|_| numbers.below(256) as u8).collect();
            // They may be refused at any byte.
            let _ = Wire::bare(session)?.push(&bytes);
        }
        Ok(())
    })
}
