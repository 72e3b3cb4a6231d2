//! Clients' memory, made known to the host: one host pool per client pool, one host buffer per client buffer.
//!
//! What the host cannot use ends *our* connection, so only memory is passed on that no client can make unfit afterwards: it is
//! `Sealed`, its seals are closed ([`shm_core::relay`]), and its numbers have been checked against its
//! size. Pools and buffers are made when they are first shown and kept with the client's, so a frame costs no more
//! than its attach. They go when the client's go.

use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

use shm_core::relay::{NotRelayable, are_closed, close_seals};
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::{wl_buffer, wl_shm, wl_shm_pool};
use wayland_client::{Connection, QueueHandle, WEnum};

use super::dmabuf::HostDmaBuffer;
use super::{Host, Silent};
use crate::backend::placement::Misfit;
use crate::buffer::{Access, Buffer, Held, Layout, Path, Pool, Source};
use crate::client::Counted;

/// Pools of one client that the host is shown at a time: each takes the host a mapping, of which a process may have 65530.
const MOST_POOLS: u64 = 256;
/// Buffers of one client that the host is shown at a time.
pub(super) const MOST_BUFFERS: u64 = 4096;
/// Pixels in a row or column; what hosts make a texture of has limits, and they do not tell them.
pub const MOST_PIXELS: i32 = 8192;

/// Why a buffer is not passed on to the host as it is. Each is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    /// Policy or verdict.
    #[error("its memory is not sealed, and could vanish under the host")]
    Unsealed,
    /// The memory.
    #[error(transparent)]
    NotRelayable(#[from] NotRelayable),
    /// The format.
    #[error("the host does not take {0} from wl_shm")]
    Format(&'static str),
    /// The numbers.
    #[error("its rows are not aligned to 4 bytes")]
    Unaligned,
    /// The numbers.
    #[error("it is larger than {MOST_PIXELS} pixels")]
    TooLarge,
    /// Too many at once.
    #[error("the host is shown too much of this client already")]
    TooMany,
    /// The place.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// No dma-bufs, or not of this kind.
    #[error("the host does not take this dma-buf")]
    DmaBuf,
    /// A dma-buf that the host has yet to try.
    #[error("the host has not said yet whether it takes this dma-buf")]
    Asked,
}

impl Obstacle {
    /// Whether it will be there the next time.
    pub fn lasts(&self) -> bool {
        !matches!(self, Obstacle::TooMany | Obstacle::NotRelayable(NotRelayable::Locked))
    }
}

/// The formats that the host's wl_shm takes.
#[derive(Default)]
pub(super) struct ShmFormats(pub Vec<u32>);

/// The data of the host's wl_shm.
pub(super) struct Shm;

impl Dispatch2<wl_shm::WlShm, Host> for Shm {
    fn event(
        &self,
        host: &mut Host,
        _: &wl_shm::WlShm,
        event: wl_shm::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        if let wl_shm::Event::Format { format } = event {
            host.shm_formats.0.push(match format {
                WEnum::Value(v) => v as u32,
                WEnum::Unknown(v) => v,
            });
        }
    }
}

/// A client's pool at the host.
struct HostPool {
    proxy: wl_shm_pool::WlShmPool,
    /// Its size there, in bytes.
    size: u64,
    _counted: Counted,
}

impl Drop for HostPool {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// A client's buffer at the host.
struct HostBuffer {
    proxy: wl_buffer::WlBuffer,
    /// Destroyed with its last buffer.
    _pool: Arc<HostPool>,
    _counted: Counted,
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// A client's buffer as the host knows it.
pub(crate) struct Memory {
    pub proxy: wl_buffer::WlBuffer,
    /// Whether it is forwarded, or imported and then forwarded.
    pub path: Path,
    /// What the wl_buffer goes with.
    pub keep: Option<Arc<HostDmaBuffer>>,
}

/// The data of a host's wl_buffer that is a client's: what ends when the host releases it. One that the host makes learns
/// that afterwards.
#[derive(Default)]
pub(super) struct Exported(pub OnceLock<Arc<Held>>);

impl Dispatch2<wl_buffer::WlBuffer, Host> for Exported {
    fn event(
        &self,
        _: &mut Host,
        _: &wl_buffer::WlBuffer,
        event: wl_buffer::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        if let (wl_buffer::Event::Release, Some(held)) = (event, self.0.get()) {
            held.end();
        }
    }
}

impl Host {
    /// The host's wl_buffer of a client's buffer.
    ///
    /// # Errors
    ///
    /// [`Obstacle`] if it cannot be passed on.
    pub fn export(&self, buffer: &Buffer) -> Result<Memory, Obstacle> {
        let (pool, layout) = match buffer.source() {
            Source::Shm { pool, layout } => (pool, layout),
            Source::DmaBuf(image) => {
                let (proxy, keep) = self.export_dmabuf(buffer, image)?;
                return Ok(Memory { proxy, path: Path::Forwarded, keep: Some(keep) });
            }
        };
        let make = || -> Result<HostBuffer, Obstacle> {
            let Layout { offset, stride, size, format } = *layout;
            if !self.shm_formats.0.contains(&format.to_wire()) {
                return Err(Obstacle::Format(format.name()));
            }
            if offset % 4 != 0 || stride % 4 != 0 {
                return Err(Obstacle::Unaligned);
            }
            if size.w.max(size.h) > MOST_PIXELS {
                return Err(Obstacle::TooLarge);
            }
            let counted = Counted::take(pool.client(), |c| &c.host_buffers, MOST_BUFFERS);
            let counted = counted.ok_or(Obstacle::TooMany)?;
            let host_pool = self.export_pool(pool)?;
            // A pool has less than 2 GiB, so all numbers fit.
            let (offset, stride) = (offset as i32, stride as i32);
            let format = wl_shm::Format::try_from(format.to_wire());
            let format = format.map_err(|()| Obstacle::Format("this format"))?;
            let held = Exported(buffer.held.clone().into());
            let proxy =
                host_pool.proxy.create_buffer(offset, size.w, size.h, stride, format, &self.handle, held);
            Ok(HostBuffer { proxy, _pool: host_pool, _counted: counted })
        };
        let proxy = buffer.kept.get_or_make(make, Obstacle::lasts)?.proxy.clone();
        Ok(match self.import(buffer, pool, layout) {
            Ok(Some((proxy, keep))) => Memory { proxy, path: Path::Imported, keep: Some(keep) },
            Ok(None) | Err(_) => Memory { proxy, path: Path::Forwarded, keep: None },
        })
    }

    /// The host's pool of a client's pool, no smaller than that is now.
    fn export_pool(&self, pool: &Pool) -> Result<Arc<HostPool>, Obstacle> {
        if !matches!(pool.access(), Access::Sealed(_)) {
            return Err(Obstacle::Unsealed);
        }
        let make = || -> Result<HostPool, Obstacle> {
            close_seals(pool.fd())?;
            let counted = Counted::take(pool.client(), |c| &c.host_pools, MOST_POOLS);
            let counted = counted.ok_or(Obstacle::TooMany)?;
            let size = pool.size();
            let bytes = i32::try_from(size).map_err(|_| Obstacle::TooLarge)?;
            let proxy = self.shm.create_pool(pool.fd().as_fd(), bytes, &self.handle, Silent);
            Ok(HostPool { proxy, size, _counted: counted })
        };
        // The owner of the memory can have every attempt to add a seal take its time, so there is one. It may succeed later.
        let lasts = |obstacle: &Obstacle| !matches!(obstacle, Obstacle::TooMany);
        match pool.kept.get_or_make(make, lasts) {
            Err(Obstacle::NotRelayable(NotRelayable::Locked)) if are_closed(pool.fd()) => pool.kept.forget(),
            // A pool that grows is a new one for the host: to resize the old one would be to move it, and weston 10 goes on
            // reading where the buffers lay that it shows. The old one goes with its buffers.
            Ok(found) if found.size < pool.size() => pool.kept.forget(),
            kept => return kept,
        }
        pool.kept.get_or_make(make, lasts)
    }
}
