//! The kernel delivers an fd with any message, whether the request wants one or not.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.fds-nobody-takes",
    does: "Sends 14000 fds with requests that take none.",
    must: SERVED,
    reference: "unix(7), SCM_RIGHTS; wayland-book, Wire protocol",
    matters: "What no request takes has to be closed by somebody, or it piles up until the compositor can open nothing more.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let memory = memory::sealed(4096)?;
        // As many as libwayland takes with one message.
        let fds = [memory.as_fd(); 28];
        for _ in 0..500 {
            let id = wire.new_id("wl_callback");
            wire.push_fds(&wire::message(1, 0, &[Arg::Uint(id)]), &fds)?;
        }
        Ok(())
    })
}
