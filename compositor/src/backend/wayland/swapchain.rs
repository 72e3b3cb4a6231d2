//! The buffers that a picture of ours reaches the host in: the window's, or one layer's.
//!
//! They lie in one pool: a memfd of ours, sealed against shrinking, that grows as needed. Each
//! buffer remembers what changed since it was last shown, so only that is drawn when its turn comes;
//! no arithmetic with buffer ages (after wlroots' damage ring). While the host still reads a buffer of an
//! old size, its bytes are not used for new ones.

use std::ops::Range;
use std::os::fd::AsFd;

use shm_core::own::{OwnError, OwnMemory};
use shm_core::seals::Seals;
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::{wl_buffer, wl_shm, wl_shm_pool};
use wayland_client::{Connection, QueueHandle};

use super::{Host, Silent};
use crate::geometry::{Rect, Region, Size, extents};
use crate::render::Target;

/// More than that a host does not keep: one on the screen, one on its way, one waiting, one to draw into.
const MOST: usize = 4;
/// A region of more rectangles than this costs more to keep than to redraw.
const MOST_RECTANGLES: usize = 64;

/// Somewhere to draw the next frame.
pub(crate) struct Drawing {
    /// The memory.
    pub target: Target,
    /// What has to be drawn there: what changed since this buffer was last shown.
    pub redraw: Region,
}

pub(super) struct Swapchain {
    shm: wl_shm::WlShm,
    queue: QueueHandle<Host>,
    owner: Owner,
    memory: Option<(OwnMemory, wl_shm_pool::WlShmPool)>,
    size: Size,
    slots: Vec<Slot>,
    last_id: u64,
    /// The one that is being drawn into.
    drawing: Option<u64>,
}

struct Slot {
    id: u64,
    size: Size,
    place: Range<u64>,
    buffer: wl_buffer::WlBuffer,
    /// Whether the host may be reading it.
    busy: bool,
    /// What changed since it was last shown.
    stale: Region,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

/// Whose picture it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The window's: opaque.
    Window,
    /// The layer's of that number: translucent where nothing was drawn.
    Layer(u64),
}

/// Which slot a `wl_buffer` is.
pub(super) struct SlotId(Owner, u64);

impl Dispatch2<wl_buffer::WlBuffer, Host> for SlotId {
    fn event(
        &self,
        host: &mut Host,
        _: &wl_buffer::WlBuffer,
        event: wl_buffer::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        if let wl_buffer::Event::Release = event
            && let Some(swapchain) = host.swapchain_of(self.0)
        {
            swapchain.released(self.1);
        }
    }
}

impl Swapchain {
    pub fn new(shm: wl_shm::WlShm, queue: QueueHandle<Host>, owner: Owner) -> Self {
        let (memory, drawing) = (None, None);
        Self { shm, queue, owner, memory, size: Size::default(), slots: Vec::new(), last_id: 0, drawing }
    }

    /// A buffer of `size` to draw the next frame into, which differs from the last in `damage`.
    ///
    /// `None` if the host is still reading all of them.
    pub fn acquire(&mut self, size: Size, damage: &Region) -> Result<Option<Drawing>, OwnError> {
        if size != self.size {
            self.size = size;
            self.slots.retain(|s| s.busy);
        }
        for slot in self.slots.iter_mut().filter(|s| s.size == size) {
            slot.stale = slot.stale.union(damage);
            if slot.stale.n_rects() > MOST_RECTANGLES {
                slot.stale = extents(&slot.stale).to_region();
            }
        }
        let free = self.slots.iter().enumerate().filter(|(_, s)| s.size == size && !s.busy);
        let index = match free.min_by_key(|(_, s)| area(&s.stale)) {
            Some((index, _)) => index,
            None if self.slots.iter().filter(|s| s.size == size).count() < MOST => self.add()?,
            None => return Ok(None),
        };
        let (slot, Some((memory, _))) = (&self.slots[index], &self.memory) else { return Ok(None) };
        self.drawing = Some(slot.id);
        // The place was made sure to lie within the memory when the slot was added.
        let ptr = memory.as_ptr().wrapping_add(slot.place.start as usize);
        let target = Target { ptr, stride: stride(size), size };
        Ok(Some(Drawing { target, redraw: slot.stale.clone() }))
    }

    /// The buffer that was drawn into, now the host's.
    pub fn present(&mut self) -> Option<&wl_buffer::WlBuffer> {
        let id = self.drawing.take()?;
        let slot = self.slots.iter_mut().find(|s| s.id == id)?;
        slot.busy = true;
        slot.stale = Region::default();
        Some(&slot.buffer)
    }

    fn released(&mut self, id: u64) {
        let size = self.size;
        if let Some(slot) = self.slots.iter_mut().find(|s| s.id == id) {
            slot.busy = false;
            if slot.size != size {
                self.slots.retain(|s| s.id != id);
            }
        }
    }

    /// Adds a slot of the current size; returns its index.
    fn add(&mut self) -> Result<usize, OwnError> {
        let size = self.size;
        // Whole pages, so that buffers do not share one.
        let length = (stride(size) as u64 * size.h as u64).next_multiple_of(4096);
        let place = gap(self.slots.iter().map(|s| s.place.clone()), length);
        let pool = self.reserve(place.end)?;
        self.last_id += 1;
        let id = self.last_id;
        // All fit: the pool is below 2 GiB, or there would be none.
        let (offset, row) = (place.start as i32, stride(size) as i32);
        let format = match self.owner {
            Owner::Window => wl_shm::Format::Xrgb8888,
            Owner::Layer(_) => wl_shm::Format::Argb8888,
        };
        let buffer =
            pool.create_buffer(offset, size.w, size.h, row, format, &self.queue, SlotId(self.owner, id));
        let stale = Rect::of_size(size).to_region();
        self.slots.push(Slot { id, size, place, buffer, busy: false, stale });
        Ok(self.slots.len() - 1)
    }

    /// Makes sure that the memory has `length` bytes.
    fn reserve(&mut self, length: u64) -> Result<wl_shm_pool::WlShmPool, OwnError> {
        let as_pool_size = i32::try_from(length)
            .map_err(|_| OwnError::Resize { len: length, source: rustix::io::Errno::FBIG.into() })?;
        if let Some((memory, pool)) = &mut self.memory {
            if (memory.len() as u64) < length {
                memory.resize(length)?;
                // Another pool of the same memory: to resize this one could move it under a host that shows a buffer of it.
                let larger = self.shm.create_pool(memory.fd().as_fd(), as_pool_size, &self.queue, Silent);
                std::mem::replace(pool, larger).destroy();
            }
            return Ok(pool.clone());
        }
        let seals = Seals::SHRINK.union(Seals::SEAL);
        let memory = OwnMemory::create("selkie-output", length, Some(seals))?;
        let pool = self.shm.create_pool(memory.fd().as_fd(), as_pool_size, &self.queue, Silent);
        self.memory = Some((memory, pool.clone()));
        Ok(pool)
    }
}

impl Drop for Swapchain {
    fn drop(&mut self) {
        if let Some((_, pool)) = &self.memory {
            pool.destroy();
        }
    }
}

fn stride(size: Size) -> usize {
    size.w as usize * 4
}

fn area(region: &Region) -> u64 {
    region.rectangles().iter().map(|b| (b.x2 - b.x1) as u64 * (b.y2 - b.y1) as u64).sum()
}

/// The first `length` bytes that none of `taken` covers.
fn gap(taken: impl Iterator<Item = Range<u64>>, length: u64) -> Range<u64> {
    let mut taken: Vec<_> = taken.collect();
    taken.sort_by_key(|r| r.start);
    let mut start = 0;
    for r in taken {
        if start + length <= r.start {
            break;
        }
        start = start.max(r.end);
    }
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::gap;

    #[test]
    fn a_new_buffer_takes_the_first_gap_that_it_fits_into() {
        assert_eq!(gap([].into_iter(), 10), 0..10);
        assert_eq!(gap([10..20, 0..10].into_iter(), 10), 20..30);
        assert_eq!(gap([10..20, 35..40].into_iter(), 10), 0..10);
        assert_eq!(gap([10..20, 35..40].into_iter(), 12), 20..32);
        assert_eq!(gap([10..20, 35..40].into_iter(), 16), 40..56);
    }
}
