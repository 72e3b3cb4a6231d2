//! `wl_shm`, `wl_shm_pool` and the `wl_buffer`s made from pools.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wayland_server::WEnum;
use wayland_server::protocol::wl_buffer::{self, WlBuffer};
use wayland_server::protocol::wl_shm::{self, WlShm};
use wayland_server::protocol::wl_shm_pool::{self, WlShmPool};

use super::global;
use crate::buffer::{Buffer, Format, Layout, LayoutError, Pool, ResizeError, Source, admit};
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;

global!(WlShm, 2, |_server, _client, object, init| {
    let shm = init.init(object, ShmData);
    for format in Format::all() {
        // Each was made from an enum value of that number.
        if let Ok(wire) = wl_shm::Format::try_from(format.to_wire()) {
            shm.format(wire);
        }
    }
});

/// A bound `wl_shm`.
struct ShmData;

impl Requests<WlShm> for ShmData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlShm, request: wl_shm::Request) -> Outcome {
        let wl_shm::Request::CreatePool { id, fd, size } = request else { return Ok(()) };
        match create_pool(ctx, fd, size) {
            Ok(pool) => {
                ctx.init.init(id, PoolData(pool));
                Ok(())
            }
            Err((error, fd)) => {
                // Closing a file may wait for its owner; that must not be us.
                if let Some(fd) = fd {
                    shm_core::closer::close_elsewhere(fd);
                }
                Err(error)
            }
        }
    }
}

fn create_pool(
    ctx: &mut Ctx<'_, '_>,
    fd: OwnedFd,
    size: i32,
) -> Result<Arc<Pool>, (ProtocolError, Option<OwnedFd>)> {
    let claimed = match u64::try_from(size) {
        Ok(claimed) if claimed > 0 => claimed,
        _ => {
            // libwayland's code for it; wayland.xml names none.
            let message = format!("a pool of {size} bytes: the size must be at least 1");
            return Err((ProtocolError::new(wl_shm::Error::InvalidStride, message), Some(fd)));
        }
    };
    let client = ctx.state().clone();
    if let Err(e) = client.take(&client.counts.pools, client.limits.pools, "pools") {
        return Err((e, Some(fd)));
    }
    let number = ctx.server.next_id();
    match admit(fd, claimed, client.policy) {
        Ok(admitted) => {
            let pool = Pool::new(number, admitted.fd, claimed, admitted.access, admitted.facts, client);
            ctx.server.ledger.pool_made(&pool);
            Ok(pool)
        }
        Err((refusal, fd)) => {
            client.counts.pools.fetch_sub(1, Ordering::Relaxed);
            ctx.server.ledger.pool_refused(&client, &refusal, claimed);
            Err((ProtocolError::new(wl_shm::Error::InvalidFd, refusal.message), Some(fd)))
        }
    }
}

/// A `wl_shm_pool`.
struct PoolData(Arc<Pool>);

impl Requests<WlShmPool> for PoolData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlShmPool, request: wl_shm_pool::Request) -> Outcome {
        match request {
            wl_shm_pool::Request::CreateBuffer { id, offset, width, height, stride, format } => {
                let layout = check_layout(&self.0, (offset, width, height, stride), format)?;
                let client = self.0.client();
                client.take(&client.counts.buffers, client.limits.buffers, "buffers")?;
                let buffer = Buffer::new(ctx.server.next_id(), Source::Shm { pool: self.0.clone(), layout });
                let resource = ctx.init.init(id, BufferData { buffer: buffer.clone() });
                buffer.set_resource(resource);
                ctx.server.ledger.buffer_made(&buffer);
            }
            wl_shm_pool::Request::Resize { size } => {
                self.0.resize(size).map_err(|e| {
                    let code = match e {
                        ResizeError::Shrinks { .. }
                        | ResizeError::Refused { .. }
                        | ResizeError::Map { .. } => wl_shm::Error::InvalidFd,
                    };
                    ProtocolError::new(code, describe(&e))
                })?;
                ctx.server.ledger.pool_resized(&self.0);
            }
            _ => {}
        }
        Ok(())
    }
}

/// An error and what caused it, in one line.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}

fn check_layout(
    pool: &Pool,
    numbers: (i32, i32, i32, i32),
    format: WEnum<wl_shm::Format>,
) -> Result<Layout, ProtocolError> {
    let known = match format {
        WEnum::Value(f) => Format::from_wire(f),
        WEnum::Unknown(_) => None,
    };
    let format = known.ok_or_else(|| {
        let number = u32::from(format);
        let message = format!("format {number:#010x} was not advertised by wl_shm.format");
        ProtocolError::new(wl_shm::Error::InvalidFormat, message)
    })?;
    Layout::check(numbers, format, pool.size()).map_err(|e| {
        let code = match e {
            LayoutError::Empty(..)
            | LayoutError::NegativeOffset(..)
            | LayoutError::ShortStride { .. }
            | LayoutError::UnalignedStride { .. }
            | LayoutError::BeyondPool { .. } => wl_shm::Error::InvalidStride,
        };
        ProtocolError::new(code, e.to_string())
    })
}

/// A `wl_buffer`, whatever it was made from.
pub(crate) struct BufferData {
    pub buffer: Arc<Buffer>,
}

impl Requests<WlBuffer> for BufferData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WlBuffer, _: wl_buffer::Request) -> Outcome {
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WlBuffer) {
        // What shows goes on showing: the memory stays until its last reader is done.
        server.screencopy.buffer_gone(&self.buffer);
        self.buffer.forget_resource();
        self.buffer.client().counts.buffers.fetch_sub(1, Ordering::Relaxed);
        server.ledger.buffer_gone(&self.buffer);
    }
}
