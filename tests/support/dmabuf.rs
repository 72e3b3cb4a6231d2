//! Dma-bufs for tests: where they come from, and `wl_buffer`s made of them by hand.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::SealFlags;
use selkie_client::{Format, Pattern, Scene, Size, Subsurface};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self as params, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dma_heap::DmaHeap;
use shm_core::dmabuf::{Access, DmaBuf};
use shm_core::udmabuf::Udmabuf;
use shm_core::vgem::{Fence, Vgem};
use wayland_client::Proxy;
use wayland_client::protocol::wl_buffer::WlBuffer;

use super::Image;
use super::raw::{Ended, Raw, memfd};

/// `DRM_FORMAT_MOD_LINEAR`.
pub const LINEAR: u64 = 0;
/// `DRM_FORMAT_MOD_INVALID`.
pub const IMPLICIT: u64 = 0x00ff_ffff_ffff_ffff;

/// `DRM_FORMAT_*`, by its four letters.
pub const fn fourcc(name: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*name)
}

/// A dma-buf of a memfd, at least so large, with this at its beginning.
pub fn udmabuf(bytes: &[u8]) -> DmaBuf {
    let size = (bytes.len() as u64).next_multiple_of(4096);
    let memory = memfd(size, Some(SealFlags::SHRINK));
    let mut done = 0;
    while done < bytes.len() {
        done += rustix::io::pwrite(&memory, &bytes[done..], done as u64).unwrap();
    }
    Udmabuf::open().unwrap().create(&memory, 0, size).unwrap()
}

/// A dma-buf of the system heap, at least so large, with this at its beginning.
pub fn heap(bytes: &[u8]) -> DmaBuf {
    let dmabuf =
        DmaHeap::open("system").unwrap().allocate((bytes.len() as u64).next_multiple_of(4096)).unwrap();
    dmabuf.map_mut().unwrap().write_at(0, bytes).unwrap();
    dmabuf
}

/// A plane to add: fd, offset, stride.
pub type Plane<'a> = (BorrowedFd<'a>, u32, u32);

/// Parameters with these planes, which are all arranged in that way.
pub fn params(
    raw: &mut Raw,
    global: &ZwpLinuxDmabufV1,
    planes: &[Plane<'_>],
    modifier: u64,
) -> ZwpLinuxBufferParamsV1 {
    let object = raw.note(global.create_params(&raw.qh(), ()));
    for (i, (fd, offset, stride)) in planes.iter().enumerate() {
        object.add(*fd, i as u32, *offset, *stride, (modifier >> 32) as u32, modifier as u32);
    }
    object
}

/// `zwp_linux_buffer_params_v1.create`; `None` is `failed`.
pub fn create(
    raw: &mut Raw,
    object: &ZwpLinuxBufferParamsV1,
    (width, height): (i32, i32),
    format: u32,
    flags: params::Flags,
) -> Result<Option<WlBuffer>, Ended> {
    object.create(width, height, format, flags);
    raw.wait_for(object, 1)?;
    let buffer = match raw.of(object).last() {
        Some(params::Event::Created { buffer }) => Some(buffer.clone()),
        Some(params::Event::Failed) => None,
        other => panic!("{other:?}"),
    };
    Ok(buffer.map(|buffer| raw.note(buffer)))
}

/// A buffer that must come to be: one linear plane in one dma-buf.
pub fn buffer(
    raw: &mut Raw,
    global: &ZwpLinuxDmabufV1,
    dmabuf: &DmaBuf,
    (width, height, stride): (i32, i32, u32),
    format: u32,
) -> WlBuffer {
    let object = params(raw, global, &[(dmabuf.fd(), 0, stride)], LINEAR);
    let made = create(raw, &object, (width, height), format, params::Flags::empty()).unwrap();
    object.destroy();
    made.expect("a buffer")
}

/// Whether a proxy's object is the one with that number: for events that name it.
pub fn is(proxy: &impl Proxy, number: u32) -> bool {
    proxy.id().protocol_id() == number
}

/// A dma-buf with a fence that nobody but us signals (and the kernel after 10 s).
pub struct Fenced {
    /// The buffer.
    pub dmabuf: DmaBuf,
    vgem: Vgem,
    fence: Option<Fence>,
}

impl Fenced {
    /// A buffer of that size in pixels of 4 bytes without a fence yet, and its stride.
    pub fn new(width: u32, height: u32) -> (Self, u32) {
        let pitch = width * 4;
        let dmabuf = udmabuf(&vec![0; (pitch * height) as usize]);
        (Self { dmabuf, vgem: Vgem::open().unwrap(), fence: None }, pitch)
    }

    /// Adds a fence: a writer that is not done.
    pub fn attach(&mut self) {
        let fence = self.vgem.fence().unwrap();
        self.dmabuf.import_sync_file(fence.sync_file(), Access::Write).unwrap();
        self.fence = Some(fence);
    }

    /// The writer is done.
    pub fn signal(&mut self) {
        assert!(self.fence.take().unwrap().signal(), "the kernel was first");
    }
}

/// The node of a driver, by its name in sysfs.
pub fn card(driver: &str) -> PathBuf {
    let cards = std::fs::read_dir("/sys/class/drm").unwrap().map(|entry| entry.unwrap());
    let mut nodes = cards.filter(|entry| {
        let device = entry.path().join("device");
        let link = std::fs::read_link(device.join("driver")).or_else(|_| std::fs::read_link(device));
        link.is_ok_and(|link| link.to_string_lossy().contains(driver))
            && entry.file_name().to_string_lossy().starts_with("card")
            && PathBuf::from("/dev/dri").join(entry.file_name()).exists()
    });
    PathBuf::from("/dev/dri").join(nodes.next().unwrap().file_name())
}

/// A picture in which every channel changes from pixel to pixel; another for every `seed`.
pub fn picture(width: usize, height: usize, seed: usize) -> Image {
    Image::from_fn(width, height, |x, y| {
        ((x * 3 + seed) << 16 | (y * 5) << 8 | ((x * 7 + y * 11) % 256)) as u32
    })
}

/// Rows with padding, somewhere in their memory, and two subsurfaces on top.
pub fn layered() -> Scene {
    let sub = |position, format| Subsurface {
        position,
        size: Size::new(60, 50),
        pattern: Pattern::Gradient,
        format,
        alpha: false,
        sync: true,
        below: false,
    };
    let subsurfaces = vec![sub((10, 20), Format::Xrgb8888), sub((100, 70), Format::Rgb565)];
    Scene { stride_padding: 52, offset: 4100, subsurfaces, ..Scene::default() }
}
