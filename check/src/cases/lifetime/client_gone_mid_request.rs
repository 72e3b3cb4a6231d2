//! A client is gone in the middle of a word.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use selkie_protocols::wayland_client::Proxy;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.client-gone-mid-request",
    does: "Sends one half of a request, with a memory fd, drops the connection, and lets another client show a window; eight times.",
    must: "The compositor goes on, and keeps nothing.",
    reference: "unix(7), SCM_RIGHTS; wayland.xml",
    matters: "The fd has arrived, and the request that takes it never will.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for _ in 0..8 {
        let mut client = session.connect()?;
        let shm: wl_shm::WlShm = client.bind(1)?;
        client.roundtrip()?;
        let memory = memory::sealed(BYTES as u64)?;
        // wl_shm.create_pool is opcode 0, of 16 bytes: object, size and opcode, new id, size of the pool.
        let words = [shm.id().protocol_id(), 16 << 16];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [memory.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(client.socket(), &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
            .map_err(memory::cannot("send half a request"))?;
        drop((client, memory));
        session.connect()?.shown_window()?;
    }
    Ok("went on".to_owned())
}
