//! Sealed pools as dma-bufs, for hosts that would rather have those: a GPU reads them where they are, instead of having
//! every frame copied into a texture.
//!
//! udmabuf takes the pages of a buffer once. Whether they still are the pool's is asked before each frame (see
//! [`shm_core::alias`]); if not, they are taken again, and until the host has tried the new dma-buf, the pool
//! itself is forwarded as any other. So no stale pixel is shown, and nobody waits.
//!
//! Where caches have to be written back for devices to see what the CPU wrote, a client that believes that it shares plain memory
//! does not do that. So this is for machines whose devices see the caches.

use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use shm_core::alias::{Alias, AliasError};
use shm_core::udmabuf::Udmabuf;
use wayland_client::protocol::wl_buffer;

use super::Host;
use super::dmabuf::{HostDmaBuffer, Wanted};
use crate::buffer::fourcc::LINEAR;
use crate::buffer::{Buffer, Layout, Pool};
use crate::config;

/// Pages of a pool are taken again that often, because they are no longer the pool's.
const MOST_TAKEN: u32 = 16;
/// What GPUs want of the rows of a picture that they did not make themselves: multiples of this, in bytes.
pub const IMPORTED_STRIDE: u64 = 256;
/// `MKDEV` of DRM devices, drm.h.
const DRM_MAJOR: u32 = 226;

/// Why a pool is not imported. Each is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotImported {
    /// `--import never`, or no reason to.
    #[error("the host has no GPU that would rather have dma-bufs")]
    NotPreferred,
    /// The architecture.
    #[error("on this machine devices do not see what is in the CPU's caches")]
    Incoherent,
    /// No device.
    #[error("{0}")]
    NoUdmabuf(Arc<str>),
    /// The numbers.
    #[error("the stride {0} is not a multiple of {IMPORTED_STRIDE} bytes, which GPUs want")]
    Stride(u64),
    /// The numbers.
    #[error("it does not begin with a page: its offset is {0}")]
    Offset(u64),
    /// The kernel, or the seals.
    #[error("{0}")]
    Refused(Arc<str>),
    /// Holes, again and again.
    #[error("the pool's pages keep changing")]
    Restless,
    /// The host.
    #[error("the host does not take it")]
    Host,
}

/// The host's wl_buffer of an imported buffer, and what it goes with.
pub(super) type Import = (wl_buffer::WlBuffer, Arc<HostDmaBuffer>);

/// What it takes to import.
pub(super) struct Imports {
    udmabuf: Result<Udmabuf, NotImported>,
    always: bool,
    /// Pools that turned out not to be imported, since that was last asked.
    news: Mutex<Vec<(u64, NotImported)>>,
}

impl Imports {
    pub fn new(import: config::Import) -> Self {
        let udmabuf = match import {
            config::Import::Never => Err(NotImported::NotPreferred),
            _ if !cfg!(target_arch = "x86_64") => Err(NotImported::Incoherent),
            _ => Udmabuf::open().map_err(|e| NotImported::NoUdmabuf(e.to_string().into())),
        };
        Self { udmabuf, always: import == config::Import::Always, news: Mutex::default() }
    }
}

/// Dma-bufs of parts of one pool.
const MOST_PARTS: usize = 64;

/// The pages that were taken of one pool.
#[derive(Default)]
struct PoolImports(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    aliases: Vec<((u64, u64), Arc<Alias>)>,
    again: u32,
    /// Whether it was told that, and why, they cannot be.
    told: bool,
}

/// A buffer of a pool as a dma-buf.
#[derive(Default)]
struct BufferImport(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    New,
    /// The host knows it.
    Offered(Arc<Alias>, Arc<HostDmaBuffer>),
    Never(NotImported),
}

impl Host {
    /// The host's wl_buffer of the dma-buf that a pool's buffer is; `Ok(None)` while the host has yet to try it, or its memory to settle.
    ///
    /// # Errors
    ///
    /// [`NotImported`] if it will not be one.
    pub(super) fn import(
        &self,
        buffer: &Buffer,
        pool: &Pool,
        layout: &Layout,
    ) -> Result<Option<Import>, NotImported> {
        let imported = self.try_import(buffer, pool, layout);
        if let (Err(why), Ok(imports)) = (&imported, pool_imports(pool)) {
            let mut taken = imports.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::replace(&mut taken.told, true) {
                let mut news = self.imports.news.lock().unwrap_or_else(PoisonError::into_inner);
                news.push((pool.id(), why.clone()));
            }
        }
        imported
    }

    /// Pools, by their numbers, that turned out not to be imported since this was last asked, and why.
    pub fn not_imported(&mut self) -> Vec<(u64, NotImported)> {
        std::mem::take(self.imports.news.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_import(
        &self,
        buffer: &Buffer,
        pool: &Pool,
        layout: &Layout,
    ) -> Result<Option<Import>, NotImported> {
        let device = self.imports.udmabuf.as_ref().map_err(NotImported::clone)?;
        let pair = (layout.format.fourcc(), LINEAR);
        if !self.dmabufs.takes(pair) || !(self.imports.always || self.dmabufs.device_major() == DRM_MAJOR) {
            return Err(NotImported::NotPreferred);
        }
        let kept = buffer.imported.get_or_make(|| Ok::<_, Infallible>(BufferImport::default()), |_| true);
        let Ok(import) = kept;
        let mut state = import.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Never(why) => return Err(why.clone()),
            State::Offered(alias, host) if alias.is_current(pool.fd()) => match host.answer() {
                None => return Ok(None),
                Some(Some(proxy)) => return Ok(Some((proxy.clone(), host.clone()))),
                Some(None) => {
                    *state = State::Never(NotImported::Host);
                    return Err(NotImported::Host);
                }
            },
            State::New | State::Offered(..) => {}
        }
        *state = State::New;
        let never = |state: &mut State, why: NotImported| {
            *state = State::Never(why.clone());
            Err(why)
        };
        let alias = match take(device, pool, layout) {
            Ok(Some(alias)) => alias,
            Ok(None) => return Ok(None),
            Err(why) => return never(&mut state, why),
        };
        let planes = [(alias.dmabuf().fd(), 0, layout.stride as u32)];
        let wanted = Wanted { planes: &planes, size: layout.size, pair, flags: 0 };
        match self.ask_dmabuf(buffer, pool.client(), &wanted) {
            Ok(host) => *state = State::Offered(alias.clone(), host),
            Err(why) => return never(&mut state, NotImported::Refused(why.to_string().into())),
        }
        Ok(None)
    }
}

fn pool_imports(pool: &Pool) -> Result<Arc<PoolImports>, Infallible> {
    pool.imported.get_or_make(|| Ok(PoolImports::default()), |_| true)
}

/// The pages of a buffer, taken now if need be; `None` if they have changed just now.
fn take(device: &Udmabuf, pool: &Pool, layout: &Layout) -> Result<Option<Arc<Alias>>, NotImported> {
    if !layout.stride.is_multiple_of(IMPORTED_STRIDE) {
        return Err(NotImported::Stride(layout.stride));
    }
    let page = rustix::param::page_size() as u64;
    if !layout.offset.is_multiple_of(page) {
        return Err(NotImported::Offset(layout.offset));
    }
    let Ok(imports) = pool_imports(pool);
    let mut taken = imports.0.lock().unwrap_or_else(PoisonError::into_inner);
    let before = taken.aliases.len();
    taken.aliases.retain(|(_, alias)| alias.is_current(pool.fd()));
    // One hole makes all of them stale.
    taken.again += u32::from(taken.aliases.len() < before);
    if taken.again > MOST_TAKEN {
        return Err(NotImported::Restless);
    }
    let range = (layout.offset, (layout.end() - layout.offset).next_multiple_of(page));
    if let Some((_, alias)) = taken.aliases.iter().find(|(r, _)| *r == range) {
        return Ok(Some(alias.clone()));
    }
    if taken.aliases.len() >= MOST_PARTS {
        return Err(NotImported::Refused("too many parts of the pool are imported".into()));
    }
    match Alias::take(device, pool.fd().as_fd(), range.0, range.1) {
        Ok(alias) => {
            let alias = Arc::new(alias);
            taken.aliases.push((range, alias.clone()));
            Ok(Some(alias))
        }
        Err(AliasError::TooFresh) => Ok(None),
        Err(why) => Err(NotImported::Refused(why.to_string().into())),
    }
}
