//! The only limit that comes before the first request.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.connections-at-once",
    does: "Opens 1000 connections, as far as they are taken, asks over each for the globals, and keeps them all.",
    must: SERVED,
    reference: "accept(2), EMFILE; listen(2)",
    matters: "A compositor that has run out of fds and is told of the next connection again and again may do nothing else any more.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        let mut all = Vec::new();
        for _ in 0..1000 {
            // The queue of those that wait may be full, or this process out of fds.
            let Ok(mut other) = Wire::bare(session) else { break };
            let _ = other.create("wl_registry", 1, 1, &[]);
            all.push(other);
        }
        Ok(())
    })
}
