//! All buffers of all surfaces: in one `wl_shm_pool`, or each a dma-buf of its own.
//!
//! When a window is resized, its new buffers go where no buffer lies that the compositor still reads,
//! and the pool is only made longer (memory first, then `wl_shm_pool.resize`) if there is no room. Memory that
//! must not grow is replaced by a new pool. Dma-bufs are all made anew, and are there when the compositor has said so.

use std::os::fd::AsFd;

use shm_core::seals::Seals;
use wayland_client::QueueHandle;
use wayland_client::protocol::{wl_buffer::WlBuffer, wl_shm::WlShm, wl_shm_pool::WlShmPool};

use crate::config::Memory;
use crate::dmabuf::Dmabuf;
use crate::feedback::Modifier;
use crate::format::Format;
use crate::handlers::{BufferTag, Quiet};
use crate::memory::{Backing, MemoryError};
use crate::picture::Picture;
use crate::source::{DmaMemory, Plane, Source, SourceError, planes};
use crate::window::State;

/// What the buffers of one surface have to be.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub picture: Picture,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// Unused bytes in front.
    pub lead: u32,
}

impl Spec {
    fn bytes(&self) -> u64 {
        u64::from(self.lead) + u64::from(self.stride) * u64::from(self.picture.size.height)
    }
}

/// One buffer.
#[derive(Debug)]
pub struct Slot {
    /// Unique in the process of the pool.
    pub id: u64,
    /// The surface it belongs to.
    pub layer: usize,
    /// None as long as the compositor has not made it.
    pub buffer: Option<WlBuffer>,
    /// Where its planes are.
    pub planes: [Plane; 3],
    /// Whether it was drawn in full before.
    pub drawn: bool,
    /// Its own memory, if it is a dma-buf.
    pub memory: Option<DmaMemory>,
    /// The compositor's answer is still to come.
    pending: bool,
    /// What it occupies; nothing if it lies in memory that was replaced.
    span: Option<(u64, u64)>,
    busy: bool,
    retired: bool,
}

impl Slot {
    fn new(
        id: u64,
        layer: usize,
        buffer: Option<WlBuffer>,
        planes: [Plane; 3],
        memory: Option<DmaMemory>,
    ) -> Slot {
        let pending = buffer.is_none();
        let (drawn, span, busy, retired) = (false, None, false, false);
        Slot { id, layer, buffer, planes, drawn, memory, pending, span, busy, retired }
    }

    fn is_free(&self) -> bool {
        !self.busy && !self.retired && self.buffer.is_some()
    }
}

/// The pool, its memory and its buffers.
#[derive(Debug)]
pub struct Pool {
    shm: WlShm,
    kind: Memory,
    seals: Option<Seals>,
    qh: QueueHandle<State>,
    current: Option<(WlShmPool, Backing)>,
    bytes: u64,
    slots: Vec<Slot>,
    next_id: u64,
}

impl Pool {
    /// A pool without buffers; its memory is made when the first are laid out.
    pub fn new(shm: WlShm, kind: Memory, seals: Option<Seals>, qh: QueueHandle<State>) -> Pool {
        Pool { shm, kind, seals, qh, current: None, bytes: 0, slots: Vec::new(), next_id: 0 }
    }

    /// Replaces all buffers by `count` for each of `specs` (one per surface).
    pub fn lay_out(&mut self, specs: &[Spec], count: u32) -> Result<(), MemoryError> {
        self.retire();
        let mut taken: Vec<(u64, u64)> = self.slots.iter().filter_map(|slot| slot.span).collect();
        let mut places = place(&mut taken, specs, count);
        let mut bytes = end(&taken);
        if bytes > self.bytes && self.current.as_ref().is_some_and(|(_, backing)| !backing.grows()) {
            self.leave_pool();
            taken.clear();
            places = place(&mut taken, specs, count);
            bytes = end(&taken);
        }
        let size = i32::try_from(bytes).map_err(|_| MemoryError::TooLarge { bytes })?;
        let pool = match &mut self.current {
            Some((pool, backing)) => {
                if bytes > self.bytes {
                    backing.grow(bytes)?;
                    pool.resize(size);
                    self.bytes = bytes;
                }
                pool
            }
            empty => {
                let backing = Backing::create(&self.kind, self.seals, bytes)?;
                let pool = self.shm.create_pool(backing.fd().as_fd(), size, &self.qh, Quiet);
                self.bytes = bytes;
                &mut empty.insert((pool, backing)).0
            }
        };
        for (layer, start) in places {
            let Spec { picture, stride, lead } = specs[layer];
            let id = number(&mut self.next_id);
            let offset = start + u64::from(lead);
            // All of these are within the pool, whose size is an i32.
            let [at, width, height, pitch] =
                [offset, picture.size.width.into(), picture.size.height.into(), stride.into()]
                    .map(|number: u64| i32::try_from(number).unwrap_or(i32::MAX));
            let format = picture.format.wl_shm();
            let buffer = pool.create_buffer(at, width, height, pitch, format, &self.qh, BufferTag(id));
            let span = Some((start, start + specs[layer].bytes()));
            let planes = planes(picture.format, picture.size.height, offset, stride);
            self.slots.push(Slot { span, ..Slot::new(id, layer, Some(buffer), planes, None) });
        }
        Ok(())
    }

    /// Replaces all buffers by `count` dma-bufs for each of `specs`; there are none if one cannot be made.
    pub fn lay_out_dma(
        &mut self,
        dmabuf: &Dmabuf,
        source: &Source,
        specs: &[(Spec, Modifier)],
        count: u32,
    ) -> Result<(), SourceError> {
        let mut made = Vec::new();
        for (layer, (spec, modifier)) in specs.iter().enumerate() {
            for _ in 0..count {
                made.push((layer, spec, *modifier, source.allocate(spec)?));
            }
        }
        self.retire();
        self.leave_pool();
        self.bytes = made.iter().map(|(.., memory)| memory.size()).sum();
        for (layer, spec, modifier, memory) in made {
            let id = number(&mut self.next_id);
            dmabuf.create(id, &memory, &spec.picture, modifier, &self.qh);
            self.slots.push(Slot::new(id, layer, None, memory.planes, Some(memory)));
        }
        Ok(())
    }

    /// The compositor has made a buffer.
    pub fn created(&mut self, id: u64, buffer: WlBuffer) {
        match self.slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => (slot.buffer, slot.pending) = (Some(buffer), false),
            None => buffer.destroy(),
        }
        self.bury();
    }

    /// The compositor cannot use a buffer: it is gone. Says who made it, if it was still wanted.
    pub fn refused(&mut self, id: u64) -> Option<String> {
        let at = self.slots.iter().position(|slot| slot.id == id)?;
        let slot = self.slots.remove(at);
        (!slot.retired).then(|| slot.memory.map_or_else(String::new, |memory| memory.exporter().to_owned()))
    }

    /// Whether all buffers are there.
    pub fn is_complete(&self) -> bool {
        self.slots().next().is_some() && self.slots().all(|slot| !slot.pending)
    }

    /// No buffer of now will be used again.
    fn retire(&mut self) {
        for slot in &mut self.slots {
            slot.retired = true;
        }
        self.bury();
    }

    /// Gives up the `wl_shm_pool`; its buffers keep it alive without our help.
    fn leave_pool(&mut self) {
        if let Some((pool, _)) = self.current.take() {
            pool.destroy();
        }
        self.slots.iter_mut().for_each(|slot| slot.span = None);
        self.bytes = 0;
    }

    /// Whether the surface has a buffer that the compositor does not hold.
    pub fn has_free(&self, layer: usize) -> bool {
        self.slots.iter().any(|slot| slot.layer == layer && slot.is_free())
    }

    /// Takes a free buffer of the surface: from now on it belongs to the compositor, once committed.
    pub fn take(&mut self, layer: usize) -> Option<(&mut Slot, Option<&mut Backing>)> {
        let slot = self.slots.iter_mut().find(|slot| slot.layer == layer && slot.is_free())?;
        slot.busy = true;
        Some((slot, self.current.as_mut().map(|(_, backing)| backing)))
    }

    /// The compositor gave a buffer back.
    pub fn release(&mut self, id: u64) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.busy = false;
            if slot.retired {
                self.bury();
            }
        }
    }

    /// Destroys the retired buffers that nobody reads any more.
    fn bury(&mut self) {
        self.slots.retain(|slot| {
            let dead = slot.retired && !slot.busy && !slot.pending;
            if let Some(buffer) = slot.buffer.as_ref().filter(|_| dead) {
                buffer.destroy();
            }
            !dead
        });
    }

    /// The buffers in use.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.retired)
    }

    /// The memory, once there is some.
    pub fn backing(&self) -> Option<&Backing> {
        self.current.as_ref().map(|(_, backing)| backing)
    }

    /// The size of the pool, or of all dma-bufs together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The number of the next buffer.
fn number(next: &mut u64) -> u64 {
    *next += 1;
    *next - 1
}

/// Bytes from one row to the next for a picture with this many pixels and unused bytes per row.
///
/// The padding is rounded up so that a pixel never starts at an odd address for its size: wl_shm says nothing
/// about it, but pixel libraries insist.
pub fn stride(format: Format, width: u32, padding: u32) -> u32 {
    // In a format of video the planes may differ by the last pixel.
    let row = format.row_bytes(0, width).max(format.row_bytes(1, width));
    row.saturating_add(padding).checked_next_multiple_of(4).unwrap_or(row)
}

/// Finds a place for `count` buffers of each spec beside those taken, adds them there, and returns
/// (surface, start) of each. Every buffer starts at a page, so that it can become a dma-buf of its own.
fn place(taken: &mut Vec<(u64, u64)>, specs: &[Spec], count: u32) -> Vec<(usize, u64)> {
    const PAGE: u64 = 4096;
    let mut places = Vec::new();
    for (layer, spec) in specs.iter().enumerate() {
        for _ in 0..count {
            taken.sort_unstable();
            let mut start = 0;
            for (from, to) in taken.iter() {
                if start + spec.bytes() <= *from {
                    break;
                }
                start = start.max(to.next_multiple_of(PAGE));
            }
            taken.push((start, start + spec.bytes()));
            places.push((layer, start));
        }
    }
    places
}

/// The end of the last of them, in whole pages.
fn end(taken: &[(u64, u64)]) -> u64 {
    taken.iter().map(|(_, to)| *to).max().unwrap_or(0).next_multiple_of(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use crate::pattern::Pattern;
    use proptest::prelude::*;

    fn spec(w: u32, h: u32, lead: u32) -> Spec {
        let (pattern, format) = (Pattern::Bars, Format::Xrgb8888);
        let picture = Picture { pattern, size: Size::new(w, h), format, alpha: false, stamp: true };
        Spec { picture, stride: stride(format, w, 0), lead }
    }

    proptest! {
        #[test]
        fn buffers_never_overlap(
            sizes in prop::collection::vec((1..300u32, 1..300u32, 0..9000u32), 1..4),
            count in 1..5u32,
            busy in prop::collection::vec((0..100u64, 1..60u64), 0..4),
        ) {
            let specs: Vec<Spec> = sizes.iter().map(|(w, h, lead)| spec(*w, *h, *lead)).collect();
            let mut taken = Vec::new();
            let mut at = 0;
            for (gap, pages) in busy {
                taken.push(((at + gap) * 4096, (at + gap + pages) * 4096));
                at += gap + pages;
            }
            let before = taken.len();
            let places = place(&mut taken, &specs, count);
            prop_assert_eq!(places.len(), specs.len() * count as usize);
            prop_assert_eq!(taken.len(), before + places.len());
            taken.sort_unstable();
            prop_assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            prop_assert!(places.iter().all(|(_, start)| start % 4096 == 0));
            prop_assert!(taken.iter().all(|(_, to)| *to <= end(&taken)));
        }
    }

    #[test]
    fn room_that_became_free_is_used_again() {
        let mut taken = vec![(40960, 81920)];
        assert_eq!(place(&mut taken, &[spec(10, 10, 0)], 2), [(0, 0), (0, 4096)]);
        let mut taken = vec![(0, 4096)];
        assert_eq!(place(&mut taken, &[spec(100, 100, 0)], 1), [(0, 4096)]);
        assert_eq!(end(&taken), 4096 + 40960);
    }

    #[test]
    fn strides_are_padded_to_whole_words() {
        assert_eq!(stride(Format::Xrgb8888, 101, 0), 404);
        assert_eq!(stride(Format::Rgb565, 101, 0), 204);
        assert_eq!(stride(Format::Xrgb8888, 10, 13), 56);
    }
}
