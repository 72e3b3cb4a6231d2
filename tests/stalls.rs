//! A file whose owner never answers: whatever would have to wait for it (a verdict, a mapping, a close)
//! must not be waited for.
//!
//! One test in a file of its own, see [`support::fuse::Fuse`].

#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::BorrowedFd;
use std::path::Path;

use support::fuse::Fuse;
use support::raw::Ended;
use support::wire::{Arg, message};
use support::{Host, Wire, Witness, impossible};

/// What a client gets that hands that file over as its pool.
fn refused(socket: &Path, file: BorrowedFd<'_>) -> Ended {
    let mut wire = Wire::connect(socket);
    let shm = wire.bind("wl_shm", 1);
    wire.pool(shm, file, 4096).unwrap();
    wire.ended()
}

/// What a client gets that hands that file over as a dma-buf.
fn refused_as_dmabuf(socket: &Path, file: BorrowedFd<'_>) -> Ended {
    let mut wire = Wire::connect(socket);
    let global = wire.bind("zwp_linux_dmabuf_v1", 5);
    let params = wire.create("zwp_linux_buffer_params_v1", global, 1, &[]).unwrap();
    // plane, offset, stride, modifier
    let plane = [0, 0, 64, 0, 0].map(Arg::Uint);
    wire.send_fds(&message(params, 1, &plane), &[file]).unwrap();
    let xr24 = u32::from_le_bytes(*b"XR24");
    let picture = [Arg::Int(16), Arg::Int(16), Arg::Uint(xr24), Arg::Uint(0)];
    wire.create("wl_buffer", params, 3, &picture).unwrap();
    wire.ended()
}

#[test]
fn a_file_whose_owner_never_answers_stalls_nobody() {
    let mut hosts = ["enforce", "adopt", "copy", "guard"].map(|policy| {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0", "--dmabuf", "on"]);
        let bystander = Witness::new(&host.socket());
        (policy, host, bystander)
    });
    for detached in [false, true] {
        // Gone before the compositors, which could not end otherwise.
        let fuse = match Fuse::mount() {
            Ok(fuse) => fuse,
            Err(why) => return impossible(&why),
        };
        if detached {
            fuse.detach();
        }
        fuse.fall_silent();
        for (policy, host, bystander) in &mut hosts {
            let place = if detached { "a mount that cannot be seen from here" } else { "fuse" };
            let message = format!(
                "a file on {place}, which is not known to be local and could stall its readers: pass a memfd \
                 (policy {policy})"
            );
            let error = Ended::Error { interface: "wl_shm".into(), object: 4, code: 2, message };
            // More of them than there are threads to close them on.
            for _ in 0..40 {
                assert_eq!(refused(&host.socket(), fuse.file()), error);
                bystander.goes_on();
            }
            let ended = refused_as_dmabuf(&host.socket(), fuse.file());
            let Ended::Error { interface, code, message, .. } = ended else { panic!("{ended:?}") };
            assert_eq!((interface.as_str(), code), ("zwp_linux_buffer_params_v1", 7), "{message}");
            assert!(message.starts_with("not a dma-buf but a"), "{message}");
            bystander.goes_on();
        }
    }
}

/// The library that reads the socket closes an fd that nothing asked for, or that came with a request that
/// is none, in the thread that serves everybody.
#[test]
#[ignore = "known: an fd that no request takes is closed where it stalls everybody"]
fn a_file_that_no_request_takes_stalls_nobody() {
    let host = Host::selkie(&["--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    let fuse = match Fuse::mount() {
        Ok(fuse) => fuse,
        Err(why) => return impossible(&why),
    };
    fuse.fall_silent();
    let mut wire = Wire::connect(&host.socket());
    let callback = wire.new_id("wl_callback");
    wire.send_fds(&message(1, 0, &[Arg::Uint(callback)]), &[fuse.file()]).unwrap();
    wire.roundtrip().unwrap();
    drop(wire);
    bystander.goes_on();
}
