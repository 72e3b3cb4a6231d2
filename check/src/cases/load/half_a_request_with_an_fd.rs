//! The fd arrives with the first byte; the request that it belongs to never does.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.half-a-request-with-an-fd",
    does: "Sends the first half of wl_shm.create_pool, with its fd, over each of 50 connections, and closes them.",
    must: SERVED,
    reference: "unix(7), SCM_RIGHTS; wayland.xml, wl_shm.create_pool",
    matters: "An fd that waits for its request has no owner yet, so it is easily forgotten when the client dies.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        let memory = memory::sealed(4096)?;
        for _ in 0..50 {
            let mut other = Wire::connect(session)?;
            let shm = other.bind("wl_shm")?;
            let id = other.new_id("wl_shm_pool");
            let create = wire::message(shm, 0, &[Arg::Uint(id), Arg::Int(4096)]);
            other.push_fds(create.get(..10).unwrap_or_default(), &[memory.as_fd()])?;
        }
        Ok(())
    })
}
