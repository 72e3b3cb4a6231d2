//! `wl_shm`: pools and the buffers in them.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use shm_core::verdict::{Verdict, examine};
use wl_proxy::protocols::wayland::wl_buffer::{WlBuffer, WlBufferHandler};
use wl_proxy::protocols::wayland::wl_shm::{WlShm, WlShmFormat, WlShmHandler};
use wl_proxy::protocols::wayland::wl_shm_pool::{WlShmPool, WlShmPoolHandler};

use super::Record;
use crate::memory::{self, Memory};
use crate::record::{Buffer, Layout, Pool, Source, Usage};

pub(super) struct Shm(pub Record);

impl WlShmHandler for Shm {
    fn handle_create_pool(&mut self, slf: &Rc<WlShm>, id: &Rc<WlShmPool>, fd: &Rc<OwnedFd>, size: i32) {
        // Looked at before the compositor has it.
        let claimed = u64::try_from(size).unwrap_or(0);
        let arrival = memory::look(fd.as_fd(), claimed);
        let memory = Rc::new(Memory::new(fd, arrival.examined.kind));
        let mut record = self.0.borrow_mut();
        let index = record.pools.len();
        record.pools.push(Pool {
            file_size: arrival.examined.file_size,
            arrival,
            memory: Rc::downgrade(&memory),
            claimed,
            largest_claim: claimed,
            resident: None,
            resizes: 0,
            bad_resize: None,
            usage: Usage::default(),
        });
        record.measure(index);
        id.set_handler(PoolHandler { record: self.0.clone(), index, memory });
        slf.send_create_pool(id, fd, size);
    }
}

struct PoolHandler {
    record: Record,
    index: usize,
    memory: Rc<Memory>,
}

impl WlShmPoolHandler for PoolHandler {
    fn handle_create_buffer(
        &mut self,
        slf: &Rc<WlShmPool>,
        id: &Rc<WlBuffer>,
        offset: i32,
        width: i32,
        height: i32,
        stride: i32,
        format: WlShmFormat,
    ) {
        let fourcc = match format {
            WlShmFormat::ARGB8888 => u32::from_le_bytes(*b"AR24"),
            WlShmFormat::XRGB8888 => u32::from_le_bytes(*b"XR24"),
            WlShmFormat(other) => other,
        };
        let layout =
            Layout { offset: offset.into(), width, height, stride: stride.into(), fourcc, modifier: None };
        watch(&self.record, id, Source::Pool(self.index), layout, Some(self.memory.clone()));
        slf.send_create_buffer(id, offset, width, height, stride, format);
    }

    fn handle_resize(&mut self, slf: &Rc<WlShmPool>, size: i32) {
        let mut record = self.record.borrow_mut();
        if let Some(pool) = record.pools.get_mut(self.index) {
            pool.resizes += 1;
            let claimed = u64::try_from(size).unwrap_or(0);
            pool.largest_claim = pool.largest_claim.max(claimed);
            let verdict = self.memory.fd().map(|fd| examine(fd, claimed).verdict);
            if let (None, Some(Verdict::Unusable { why })) = (&pool.bad_resize, verdict) {
                pool.bad_resize = Some(why);
            }
        }
        record.measure(self.index);
        slf.send_resize(size);
    }

    fn handle_destroy(&mut self, slf: &Rc<WlShmPool>) {
        self.record.borrow_mut().measure(self.index);
        slf.send_destroy();
    }
}

/// Writes down a new buffer, and all that happens to it.
pub(super) fn watch(
    record: &Record,
    id: &Rc<WlBuffer>,
    source: Source,
    layout: Layout,
    memory: Option<Rc<Memory>>,
) {
    let mut inner = record.borrow_mut();
    let index = inner.buffers.len();
    inner.buffers.push(Buffer { source, layout, memory, committed: None, fingerprint: None });
    id.set_handler(BufferHandler { record: record.clone(), index });
}

pub(super) struct BufferHandler {
    record: Record,
    pub index: usize,
}

impl WlBufferHandler for BufferHandler {
    fn handle_release(&mut self, slf: &Rc<WlBuffer>) {
        self.record.borrow_mut().released(self.index);
        slf.send_release();
    }

    fn handle_destroy(&mut self, slf: &Rc<WlBuffer>) {
        if let Some(buffer) = self.record.borrow_mut().buffers.get_mut(self.index) {
            buffer.memory = None;
        }
        slf.send_destroy();
    }
}
