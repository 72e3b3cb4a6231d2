//! Clients' dma-bufs, made known to the host; and what the host says about those it would like.
//!
//! Whether it takes one is only known after asking, so buffers are made with `create`, never with `create_immed`: a host
//! may end the connection over a buffer that it cannot use, and it is our connection. It is asked when the client makes the
//! buffer; until it has answered, the buffer is composed.
//!
//! See linux-dmabuf-v1.xml.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::backend::ObjectData;
use wayland_client::globals::GlobalList;
use wayland_client::protocol::{wl_buffer, wl_surface};
use wayland_client::{Connection, Proxy, QueueHandle, WEnum};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::{
    zwp_linux_buffer_params_v1::{self, Flags, ZwpLinuxBufferParamsV1},
    zwp_linux_dmabuf_feedback_v1::{self, ZwpLinuxDmabufFeedbackV1},
    zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1},
};

use super::exports::{Exported, MOST_BUFFERS, Obstacle};
use super::{Host, HostEvent};
use crate::buffer::{Buffer, DmaImage, Held};
use crate::client::{ClientState, Counted};
use crate::geometry::Size;
use crate::protocol::dmabuf_feedback::{DmabufOffer, Pair, Tranche};
use crate::scene::ElementId;

/// Entries of a format table that an index can name.
const MOST_PAIRS: u32 = 1 << 16;
/// Bytes of an entry: the format, four of padding, the modifier.
const ENTRY: u32 = 16;

/// The host's `zwp_linux_dmabuf_v1`, if it has one that can be used.
#[derive(Default)]
pub(super) struct Dmabufs {
    global: Option<ZwpLinuxDmabufV1>,
    /// All that it takes, or once took.
    pairs: HashSet<Pair>,
    /// The `dev_t` of the device that reads them; 0 where it does not say.
    main_device: u64,
    /// What it takes, where it says so in events of the global (before version 4).
    legacy: Vec<Pair>,
}

/// A feedback of the host's: for everybody, or for one element.
pub(super) struct HostFeedback {
    element: Option<ElementId>,
    /// What it has said so far, up to `done`.
    coming: Mutex<Coming>,
}

/// A feedback that is not complete.
#[derive(Default)]
struct Coming {
    table: Vec<Pair>,
    main_device: u64,
    tranche: Tranche,
    tranches: Vec<Tranche>,
}

impl Dmabufs {
    /// Older versions than 3 do not say which modifiers there are.
    pub fn bind(globals: &GlobalList, handle: &QueueHandle<Host>) -> Self {
        let global: Option<ZwpLinuxDmabufV1> = globals.bind(handle, 3..=5, HostFormats).ok();
        if let Some(global) = global.as_ref().filter(|g| g.version() >= 4) {
            global.get_default_feedback(handle, HostFeedback::new(None));
        }
        Self { global, ..Self::default() }
    }
}

impl Dmabufs {
    /// Whether it takes dma-bufs like that.
    pub fn takes(&self, pair: Pair) -> bool {
        self.global.is_some() && self.pairs.contains(&pair)
    }

    /// The driver of the device that reads them.
    pub fn device_major(&self) -> u32 {
        rustix::fs::major(self.main_device)
    }
}

impl HostFeedback {
    fn new(element: Option<ElementId>) -> Self {
        Self { element, coming: Mutex::default() }
    }
}

/// The data of the host's zwp_linux_dmabuf_v1.
struct HostFormats;

impl Dispatch2<ZwpLinuxDmabufV1, Host> for HostFormats {
    fn event(
        &self,
        host: &mut Host,
        global: &ZwpLinuxDmabufV1,
        event: zwp_linux_dmabuf_v1::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        // `format` says nothing that `modifier` does not.
        if let zwp_linux_dmabuf_v1::Event::Modifier { format, modifier_hi, modifier_lo } = event
            && global.version() < 4
        {
            let pair = (format, u64::from(modifier_hi) << 32 | u64::from(modifier_lo));
            host.dmabufs.pairs.insert(pair);
            host.dmabufs.legacy.push(pair);
        }
    }
}

impl Dispatch2<ZwpLinuxDmabufFeedbackV1, Host> for HostFeedback {
    fn event(
        &self,
        host: &mut Host,
        _: &ZwpLinuxDmabufFeedbackV1,
        event: zwp_linux_dmabuf_feedback_v1::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        use zwp_linux_dmabuf_feedback_v1::Event;
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = &mut *coming;
        match event {
            Event::FormatTable { fd, size } => match read_table(fd, size) {
                Ok(table) => coming.table = table,
                Err(e) => tracing::warn!("cannot read the host's table of formats: {e}"),
            },
            Event::MainDevice { device } => coming.main_device = dev_t(&device),
            Event::TrancheTargetDevice { device } => coming.tranche.device = dev_t(&device),
            Event::TrancheFlags { flags } => {
                coming.tranche.flags = match flags {
                    WEnum::Value(v) => v.bits(),
                    WEnum::Unknown(v) => v,
                }
            }
            Event::TrancheFormats { indices } => {
                let indices = indices.chunks_exact(2).map(|i| usize::from(u16::from_ne_bytes([i[0], i[1]])));
                coming.tranche.pairs.extend(indices.filter_map(|i| coming.table.get(i).copied()));
            }
            Event::TrancheDone => coming.tranches.push(std::mem::take(&mut coming.tranche)),
            Event::Done => {
                let tranches = std::mem::take(&mut coming.tranches);
                host.dmabufs.pairs.extend(tranches.iter().flat_map(|t| t.pairs.iter().copied()));
                if self.element.is_none() {
                    host.dmabufs.main_device = coming.main_device;
                }
                let offer = DmabufOffer { main_device: coming.main_device, tranches };
                host.events.push_back(HostEvent::DmabufOffer { element: self.element, offer });
            }
            _ => {}
        }
    }
}

fn read_table(fd: OwnedFd, size: u32) -> std::io::Result<Vec<Pair>> {
    let mut bytes = vec![0; (size.min(MOST_PAIRS * ENTRY) / ENTRY * ENTRY) as usize];
    File::from(fd).read_exact_at(&mut bytes, 0)?;
    let word = |b: &[u8]| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]);
    let pair = |b: &[u8]| {
        let modifier = [b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]];
        (word(b), u64::from_ne_bytes(modifier))
    };
    Ok(bytes.chunks_exact(ENTRY as usize).map(pair).collect())
}

/// The `dev_t` in an array of bytes; 0, which is no device, if it is of another size.
fn dev_t(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_ne_bytes)
}

/// A client's dma-buf at the host.
pub(crate) struct HostDmaBuffer {
    answer: OnceLock<Option<wl_buffer::WlBuffer>>,
    _counted: Counted,
}

impl HostDmaBuffer {
    /// What the host said: its wl_buffer, or that it does not take it. `None` until it has.
    pub fn answer(&self) -> Option<Option<&wl_buffer::WlBuffer>> {
        self.answer.get().map(Option::as_ref)
    }
}

/// What the host is asked for.
pub(super) struct Wanted<'a> {
    /// Each plane's dma-buf, offset and stride in bytes.
    pub planes: &'a [(BorrowedFd<'a>, u32, u32)],
    pub size: Size,
    pub pair: Pair,
    /// `zwp_linux_buffer_params_v1.flags`.
    pub flags: u32,
}

impl Drop for HostDmaBuffer {
    fn drop(&mut self) {
        if let Some(Some(proxy)) = self.answer.get() {
            proxy.destroy();
        }
    }
}

/// The data of a `zwp_linux_buffer_params_v1`: what is asked for.
struct Asked {
    wanted: Weak<HostDmaBuffer>,
    held: Arc<Held>,
    /// The client's buffer.
    buffer: u64,
}

impl Dispatch2<ZwpLinuxBufferParamsV1, Host> for Asked {
    fn event(
        &self,
        host: &mut Host,
        params: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        use zwp_linux_buffer_params_v1::Event;
        let made = match event {
            Event::Created { buffer } => {
                if let Some(Exported(held)) = buffer.data() {
                    let _ = held.set(self.held.clone());
                }
                Some(buffer)
            }
            _ => None,
        };
        params.destroy();
        match (self.wanted.upgrade(), made) {
            (Some(wanted), made) => {
                let taken = made.is_some();
                let _ = wanted.answer.set(made);
                host.events.push_back(HostEvent::DmabufAnswer { buffer: self.buffer, taken });
            }
            // The client has destroyed it meanwhile.
            (None, Some(made)) => made.destroy(),
            (None, None) => {}
        }
    }

    fn event_created_child(_: u16, handle: &QueueHandle<Host>) -> Arc<dyn ObjectData> {
        handle.make_data::<wl_buffer::WlBuffer, Exported>(Exported::default())
    }
}

/// Whether no host can take the numbers for a mistake of ours: some check them as if every picture were linear.
fn is_plain(image: &DmaImage) -> bool {
    image.planes().iter().enumerate().all(|(i, plane)| {
        let size = plane.size().min(u64::from(u32::MAX));
        let (offset, stride) = (u64::from(plane.offset), u64::from(plane.stride));
        let rows = if i == 0 { u64::from(image.size().h.unsigned_abs()) } else { 1 };
        offset < size && offset + stride * rows <= size
    })
}

impl Host {
    /// Tells what the host takes if it says so without feedback; after the first roundtrip.
    pub(super) fn offer_legacy_dmabufs(&mut self) {
        let pairs = std::mem::take(&mut self.dmabufs.legacy);
        if !pairs.is_empty() {
            // Such a host names no device.
            let offer =
                DmabufOffer { main_device: 0, tranches: vec![Tranche { pairs, ..Tranche::default() }] };
            self.events.push_back(HostEvent::DmabufOffer { element: None, offer });
        }
    }

    /// Has the host say what it would like for `surface`, which shows `element`.
    pub(super) fn surface_feedback(
        &self,
        surface: &wl_surface::WlSurface,
        element: ElementId,
    ) -> Option<ZwpLinuxDmabufFeedbackV1> {
        let global = self.dmabufs.global.as_ref().filter(|g| g.version() >= 4)?;
        Some(global.get_surface_feedback(surface, &self.handle, HostFeedback::new(Some(element))))
    }

    /// The host's wl_buffer of a client's dma-buf. The first call asks for it.
    ///
    /// # Errors
    ///
    /// [`Obstacle::Asked`] until the host has answered ([`HostEvent::DmabufAnswer`]); others if it cannot be passed on.
    pub(super) fn export_dmabuf(
        &self,
        buffer: &Buffer,
        image: &DmaImage,
    ) -> Result<(wl_buffer::WlBuffer, Arc<HostDmaBuffer>), Obstacle> {
        let pair = (image.fourcc(), image.modifier());
        if !self.dmabufs.takes(pair) || !is_plain(image) {
            return Err(Obstacle::DmaBuf);
        }
        let ask = || {
            let planes: Vec<_> = image.planes().iter().map(|p| (p.fd(), p.offset, p.stride)).collect();
            let wanted = Wanted { planes: &planes, size: image.size(), pair, flags: image.flags() };
            self.ask_dmabuf(buffer, image.client(), &wanted)
        };
        let host = buffer.kept.get_or_make(ask, Obstacle::lasts)?;
        match host.answer() {
            Some(Some(proxy)) => Ok((proxy.clone(), Arc::clone(&host))),
            Some(None) => Err(Obstacle::DmaBuf),
            None => Err(Obstacle::Asked),
        }
    }

    /// Asks the host to make a wl_buffer of dma-bufs, which are `client`'s `buffer` or a name for it.
    ///
    /// # Errors
    ///
    /// [`Obstacle::TooMany`], [`Obstacle::DmaBuf`].
    pub(super) fn ask_dmabuf(
        &self,
        buffer: &Buffer,
        client: &Arc<ClientState>,
        wanted: &Wanted<'_>,
    ) -> Result<Arc<HostDmaBuffer>, Obstacle> {
        let global = self.dmabufs.global.as_ref().ok_or(Obstacle::DmaBuf)?;
        let counted = Counted::take(client, |c| &c.host_buffers, MOST_BUFFERS);
        let host =
            Arc::new(HostDmaBuffer { answer: OnceLock::new(), _counted: counted.ok_or(Obstacle::TooMany)? });
        let asked = Asked { wanted: Arc::downgrade(&host), held: buffer.held.clone(), buffer: buffer.id() };
        let params = global.create_params(&self.handle, asked);
        for ((fd, offset, stride), i) in wanted.planes.iter().zip(0..) {
            let (hi, lo) = ((wanted.pair.1 >> 32) as u32, wanted.pair.1 as u32);
            params.add(*fd, i, *offset, *stride, hi, lo);
        }
        let flags = Flags::from_bits_truncate(wanted.flags);
        params.create(wanted.size.w, wanted.size.h, wanted.pair.0, flags);
        Ok(host)
    }
}
