//! `zwp_linux_dmabuf_v1`: buffers of dma-bufs.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use shm_core::dmabuf::DmaBuf;
use shm_core::verdict::Kind;
use wl_proxy::protocols::linux_dmabuf_v1::zwp_linux_buffer_params_v1::{
    ZwpLinuxBufferParamsV1, ZwpLinuxBufferParamsV1Flags, ZwpLinuxBufferParamsV1Handler,
};
use wl_proxy::protocols::linux_dmabuf_v1::zwp_linux_dmabuf_v1::{ZwpLinuxDmabufV1, ZwpLinuxDmabufV1Handler};
use wl_proxy::protocols::wayland::wl_buffer::WlBuffer;

use super::Record;
use super::shm::watch;
use crate::memory::{self, Memory};
use crate::record::{self, Layout, Source, Usage};

pub(super) struct Dmabuf(pub Record);

impl ZwpLinuxDmabufV1Handler for Dmabuf {
    fn handle_create_params(&mut self, slf: &Rc<ZwpLinuxDmabufV1>, params_id: &Rc<ZwpLinuxBufferParamsV1>) {
        params_id.set_handler(Params { record: self.0.clone(), first: None, layout: None });
        slf.send_create_params(params_id);
    }
}

/// A buffer to be.
struct Params {
    record: Record,
    /// The first plane: which of the dma-bufs, its memory, and its offset, stride and modifier.
    first: Option<(usize, Rc<Memory>, u32, u32, u64)>,
    /// The numbers, once it is asked for.
    layout: Option<Layout>,
}

impl Params {
    fn layout(&self, width: i32, height: i32, fourcc: u32) -> Option<Layout> {
        let (_, _, offset, stride, modifier) = self.first.as_ref()?;
        Some(Layout {
            offset: i64::from(*offset),
            width,
            height,
            stride: i64::from(*stride),
            fourcc,
            modifier: Some(*modifier),
        })
    }

    fn made(&self, buffer: &Rc<WlBuffer>, layout: Option<Layout>) {
        if let (Some((index, memory, ..)), Some(layout)) = (&self.first, layout) {
            watch(&self.record, buffer, Source::DmaBuf(*index), layout, Some(memory.clone()));
        }
    }
}

impl ZwpLinuxBufferParamsV1Handler for Params {
    fn handle_add(
        &mut self,
        slf: &Rc<ZwpLinuxBufferParamsV1>,
        fd: &Rc<OwnedFd>,
        plane_idx: u32,
        offset: u32,
        stride: u32,
        modifier_hi: u32,
        modifier_lo: u32,
    ) {
        let index = self.record.borrow_mut().dmabuf(look(fd));
        if plane_idx == 0 {
            let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
            let memory = Rc::new(Memory::new(fd, Kind::DmaBuf));
            self.first = Some((index, memory, offset, stride, modifier));
        }
        slf.send_add(fd, plane_idx, offset, stride, modifier_hi, modifier_lo);
    }

    fn handle_create(
        &mut self,
        slf: &Rc<ZwpLinuxBufferParamsV1>,
        width: i32,
        height: i32,
        format: u32,
        flags: ZwpLinuxBufferParamsV1Flags,
    ) {
        self.layout = self.layout(width, height, format);
        slf.send_create(width, height, format, flags);
    }

    fn handle_created(&mut self, slf: &Rc<ZwpLinuxBufferParamsV1>, buffer: &Rc<WlBuffer>) {
        self.made(buffer, self.layout);
        slf.send_created(buffer);
    }

    fn handle_create_immed(
        &mut self,
        slf: &Rc<ZwpLinuxBufferParamsV1>,
        buffer_id: &Rc<WlBuffer>,
        width: i32,
        height: i32,
        format: u32,
        flags: ZwpLinuxBufferParamsV1Flags,
    ) {
        self.made(buffer_id, self.layout(width, height, format));
        slf.send_create_immed(buffer_id, width, height, format, flags);
    }
}

/// What a plane's descriptor is.
fn look(fd: &Rc<OwnedFd>) -> record::DmaBuf {
    let name = memory::name(fd.as_fd());
    let copy = fd.as_fd().try_clone_to_owned().map_err(|e| e.to_string());
    let unknown = |wrong: String| record::DmaBuf {
        exporter: String::new(),
        name: name.clone(),
        key: None,
        size: None,
        wrong: Some(wrong),
        usage: Usage::default(),
    };
    match copy.and_then(|fd| DmaBuf::new(fd).map_err(|e| e.to_string())) {
        Err(wrong) => unknown(wrong),
        Ok(dmabuf) => record::DmaBuf {
            exporter: dmabuf.exporter().to_owned(),
            // A dma-buf's inode is its own, and the kernel's.
            key: rustix::fs::fstat(dmabuf.fd()).ok().map(|stat| (stat.st_dev, stat.st_ino)),
            size: Some(dmabuf.size()),
            wrong: None,
            ..unknown(String::new())
        },
    }
}
