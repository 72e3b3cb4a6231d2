//! `zwp_linux_dmabuf_feedback_v1`: which dma-bufs are welcome, best first.
//!
//! First what the backend can pass on as it is (it says so in a [`DmabufOffer`]), then what can be composed: the formats that
//! the renderer knows, linear. `DRM_FORMAT_MOD_INVALID` is not offered for composing: what it means is known to the driver
//! alone.
//!
//! The main device is that of the backend's offer. Without one it is where a client could allocate what can be composed: a
//! render node, else a card, else (so that there is something to send) the udmabuf device or a dma-heap. Nothing here needs that
//! device; Mesa and GStreamer look it up among the DRM devices, and go on without dma-bufs where they do not find it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::{
    self, TrancheFlags, ZwpLinuxDmabufFeedbackV1,
};
use shm_core::memfd;
use shm_core::seals::Seals;
use wayland_server::Resource;

use super::dmabuf_params::Waiting;
use crate::buffer::fourcc::{DrmFormat, LINEAR};
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::server::Server;
use crate::surface::SurfaceId;

/// A format and how it is arranged: `DRM_FORMAT_*` and `DRM_FORMAT_MOD_*` of drm_fourcc.h.
pub(crate) type Pair = (u32, u64);

/// What somebody would like dma-bufs to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DmabufOffer {
    /// The `dev_t` of the device that reads them.
    pub main_device: u64,
    /// What it takes, best first.
    pub tranches: Vec<Tranche>,
}

/// Pairs that are equally welcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tranche {
    /// The `dev_t` of the device that they are for.
    pub device: u64,
    /// `zwp_linux_dmabuf_feedback_v1.tranche_flags`.
    pub flags: u32,
    /// The pairs.
    pub pairs: Vec<Pair>,
}

/// What is offered, and who asked.
pub(crate) struct Dmabufs {
    device: u64,
    composed: Vec<Pair>,
    /// What the backend can pass on: by surface, and from everybody.
    offers: HashMap<Option<SurfaceId>, DmabufOffer>,
    /// Everything that the backend could ever pass on: a client may not have heard of a change.
    passable: HashSet<Pair>,
    feedbacks: Vec<Feedback>,
    /// Buffers that the host has yet to try.
    waiting: Vec<Waiting>,
    /// The last table, which most ask for.
    table: Option<Arc<Table>>,
}

struct Feedback {
    resource: ZwpLinuxDmabufFeedbackV1,
    surface: Option<SurfaceId>,
    /// What was sent last.
    sent: Option<DmabufOffer>,
}

/// Pairs in memory that clients map.
struct Table {
    fd: OwnedFd,
    size: u32,
    pairs: Vec<Pair>,
}

/// More pairs have no 16-bit index.
const MOST: usize = 1 << 16;

impl Dmabufs {
    /// Offers what can be composed.
    pub fn new() -> Self {
        Self {
            device: main_device(),
            composed: DrmFormat::all().map(|f| (f.fourcc, LINEAR)).collect(),
            offers: HashMap::new(),
            passable: HashSet::new(),
            feedbacks: Vec::new(),
            waiting: Vec::new(),
            table: None,
        }
    }

    /// The main device where the backend names none.
    #[cfg(test)]
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Everything that is offered to everybody, once.
    pub fn pairs(&self) -> Vec<Pair> {
        distinct(&self.offer(None))
    }

    /// Whether a buffer like that was ever offered, to be composed or passed on.
    pub fn is_offered(&self, pair: Pair) -> bool {
        self.composed.contains(&pair) || self.passable.contains(&pair)
    }

    /// Whether anything in that format was ever offered.
    pub fn knows(&self, fourcc: u32) -> bool {
        self.composed.iter().chain(&self.passable).any(|pair| pair.0 == fourcc)
    }

    /// Whether the backend may be able to pass it on, so that the CPU need not read it.
    pub fn is_passable(&self, pair: Pair) -> bool {
        self.passable.contains(&pair)
    }

    fn offer(&self, surface: Option<SurfaceId>) -> DmabufOffer {
        let passed_on = self.offers.get(&surface).or_else(|| self.offers.get(&None));
        let mut offer =
            passed_on.cloned().unwrap_or(DmabufOffer { main_device: self.device, tranches: Vec::new() });
        let device = offer.main_device;
        // The same pair may be there twice only for another device.
        let known: HashSet<Pair> = offer
            .tranches
            .iter()
            .filter(|t| t.device == device && t.flags == 0)
            .flat_map(|t| t.pairs.iter().copied())
            .collect();
        let pairs: Vec<Pair> = self.composed.iter().copied().filter(|p| !known.contains(p)).collect();
        if !pairs.is_empty() {
            offer.tranches.push(Tranche { device, flags: 0, pairs });
        }
        offer
    }

    /// A buffer waits until the host has tried it.
    pub fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// The buffer of that number need wait no longer, if it did.
    pub fn waited(&mut self, buffer: u64) -> Option<Waiting> {
        let at = self.waiting.iter().position(|w| w.id() == buffer)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Whether a client wants to know what its surface should be.
    pub fn is_followed(&self, surface: SurfaceId) -> bool {
        self.feedbacks.iter().any(|f| f.surface == Some(surface))
    }

    /// What can be passed on of a surface that has to be composed: nothing.
    pub fn nothing_passed_on(&self) -> DmabufOffer {
        let main_device = self.offers.get(&None).map_or(self.device, |offer| offer.main_device);
        DmabufOffer { main_device, tranches: Vec::new() }
    }

    /// See [`Server::feedback_changed`].
    pub fn set_offer(&mut self, surface: Option<SurfaceId>, offer: Option<DmabufOffer>) {
        match offer {
            Some(mut offer) => {
                // An old host does not say which device it means.
                if offer.main_device == 0 {
                    offer.main_device = self.device;
                    offer.tranches.iter_mut().for_each(|t| t.device = self.device);
                }
                self.passable.extend(offer.tranches.iter().flat_map(|t| t.pairs.iter().copied()));
                self.offers.insert(surface, offer);
            }
            None => drop(self.offers.remove(&surface)),
        }
        for i in 0..self.feedbacks.len() {
            let concerned = surface.is_none() || self.feedbacks[i].surface == surface;
            if concerned {
                self.send(i);
            }
        }
    }

    /// Tells whoever has just asked, and whenever something changes.
    pub fn add_feedback(&mut self, resource: ZwpLinuxDmabufFeedbackV1, surface: Option<SurfaceId>) {
        self.feedbacks.push(Feedback { resource, surface, sent: None });
        self.send(self.feedbacks.len() - 1);
    }

    /// A surface is gone: its feedback says no more.
    pub fn surface_gone(&mut self, surface: SurfaceId) {
        self.offers.remove(&Some(surface));
        self.feedbacks.retain(|f| f.surface != Some(surface));
    }

    fn send(&mut self, index: usize) {
        let offer = self.offer(self.feedbacks[index].surface);
        if self.feedbacks[index].sent.as_ref() == Some(&offer) {
            return;
        }
        let Some(table) = self.table_for(&offer) else { return };
        let Feedback { resource, sent, .. } = &mut self.feedbacks[index];
        let at: HashMap<Pair, u16> =
            table.pairs.iter().enumerate().map(|(i, pair)| (*pair, i as u16)).collect();
        resource.format_table(table.fd.as_fd(), table.size);
        resource.main_device(offer.main_device.to_ne_bytes().to_vec());
        for tranche in &offer.tranches {
            let indices = tranche.pairs.iter().filter_map(|pair| at.get(pair));
            resource.tranche_target_device(tranche.device.to_ne_bytes().to_vec());
            resource.tranche_flags(TrancheFlags::from_bits_truncate(tranche.flags));
            resource.tranche_formats(indices.flat_map(|i| i.to_ne_bytes()).collect());
            resource.tranche_done();
        }
        resource.done();
        *sent = Some(offer);
    }

    fn table_for(&mut self, offer: &DmabufOffer) -> Option<Arc<Table>> {
        let pairs = distinct(offer);
        if let Some(table) = self.table.as_ref().filter(|t| t.pairs == pairs) {
            return Some(table.clone());
        }
        let table = Table::new(pairs).inspect_err(|e| tracing::error!("cannot make a format table: {e}"));
        self.table = table.ok().map(Arc::new);
        self.table.clone()
    }
}

/// All pairs of an offer, each once, as many as can be counted.
fn distinct(offer: &DmabufOffer) -> Vec<Pair> {
    let mut seen = HashSet::new();
    let all = offer.tranches.iter().flat_map(|t| t.pairs.iter().copied());
    all.filter(|pair| seen.insert(*pair)).take(MOST).collect()
}

impl Table {
    fn new(pairs: Vec<Pair>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut bytes = Vec::with_capacity(pairs.len() * 16);
        for (fourcc, modifier) in &pairs {
            bytes.extend(fourcc.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(modifier.to_ne_bytes());
        }
        let size = u32::try_from(bytes.len())?;
        let mut file = File::from(memfd::create("selkie-formats", size.into(), Some(Seals::empty()))?);
        file.write_all(&bytes)?;
        Seals::add(&file, Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL)?;
        // Open for reading only, besides; without /proc the seals hold anyway.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let read_only = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self { fd: read_only.unwrap_or_else(|_| file.into()), size, pairs })
    }
}

/// A feedback object; all it can do is go.
pub(super) struct FeedbackData;

impl Requests<ZwpLinuxDmabufFeedbackV1> for FeedbackData {
    fn request(
        &self,
        _: &mut Ctx<'_, '_>,
        _: &ZwpLinuxDmabufFeedbackV1,
        _: zwp_linux_dmabuf_feedback_v1::Request,
    ) -> Outcome {
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &ZwpLinuxDmabufFeedbackV1) {
        server.dmabufs.feedbacks.retain(|f| f.resource.id() != object.id());
    }
}

/// Devices that make dma-bufs, best first for [`main_device`].
fn devices() -> impl Iterator<Item = std::path::PathBuf> {
    let list = |dir: &str, prefix: &str| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries
            .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
            .map(|e| e.path())
            .collect();
        paths.sort();
        paths
    };
    let udmabuf = Path::new("/dev/udmabuf");
    list("/dev/dri", "renderD")
        .into_iter()
        .chain(list("/dev/dri", "card"))
        .chain(udmabuf.exists().then(|| udmabuf.to_owned()))
        .chain(list("/dev/dma_heap", ""))
        .chain(list("/dev", "video"))
}

/// Whether anything on this machine makes dma-bufs.
pub(crate) fn can_exist() -> bool {
    devices().next().is_some()
}

fn main_device() -> u64 {
    devices().find_map(|path| rustix::fs::stat(path).ok()).map_or(0, |stat| stat.st_rdev)
}
