//! Where what is in a ring's memory, and the words at its start that say so.
//!
//! What these say is read once, when a side attaches, held against the length of the memory, and never looked at again.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Instant;

use super::protocol::{Platform, Side};
use super::words::Words;
use super::{OpenError, RingError};
use crate::futex::{self, Woken};
use crate::guard::Fault;
use crate::shared::{AccessError, Shared};

const MAGIC: u64 = u64::from_ne_bytes(*b"selkring");
/// Somebody is writing the rest of the header.
const BEGUN: u64 = 1;
const VERSION: u32 = 1;
/// Where the words are, in bytes from the start.
const WORDS: usize = 128;
/// Where the lengths of the frames are, 8 bytes each.
const LENGTHS: usize = 1024;
/// From this size on slots begin on pages of their own.
const PAGE: usize = 4096;
const LINE: usize = 64;

type MachineWords = Words<AtomicU32, AtomicU64>;

/// What is at the very start.
#[repr(C)]
struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    slots: AtomicU32,
    slot_size: AtomicU64,
    /// 1 if the slots are in a memory of their own.
    split: AtomicU32,
}

const _: () = assert!(size_of::<Header>() <= WORDS && WORDS + size_of::<MachineWords>() <= LENGTHS);

/// How many frames a ring holds, and how long they can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// How many slots there are; at least 1. With 1 the two sides take turns.
    pub slots: u32,
    /// How many bytes a frame can have at most; at least 1.
    pub slot_size: u64,
}

impl Geometry {
    /// How many bytes of memory the ring needs; `None` if that is no number.
    pub fn memory_len(&self) -> Option<u64> {
        let layout = Layout::new(*self, false)?;
        layout.data_end().and_then(|end| u64::try_from(end).ok())
    }

    /// How many bytes of memory a ring needs whose slots are in another, and how many these need there.
    pub fn split_memory_len(&self) -> Option<(u64, u64)> {
        let layout = Layout::new(*self, true)?;
        Some((u64::try_from(layout.control_end()?).ok()?, u64::try_from(layout.data_end()?).ok()?))
    }
}

/// Where what is, as computed from a [`Geometry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) slots: u32,
    /// In bytes.
    pub(super) slot_size: usize,
    /// From one slot to the next, in bytes.
    stride: usize,
    /// The first slot, in bytes from the start of the memory that they are in.
    data: usize,
}

impl Layout {
    fn new(geometry: Geometry, split: bool) -> Option<Layout> {
        let slot_size = usize::try_from(geometry.slot_size).ok().filter(|size| *size > 0)?;
        let align = if slot_size >= PAGE { PAGE } else { LINE };
        let stride = slot_size.checked_next_multiple_of(align)?;
        let mut layout = Layout { slots: geometry.slots, slot_size, stride, data: 0 };
        if !split {
            layout.data = layout.control_end()?.checked_next_multiple_of(align)?;
        }
        (geometry.slots > 0).then_some(layout)
    }

    fn control_end(&self) -> Option<usize> {
        usize::try_from(self.slots).ok()?.checked_mul(size_of::<u64>())?.checked_add(LENGTHS)
    }

    fn data_end(&self) -> Option<usize> {
        // Pointers reach no further than isize::MAX.
        let len = usize::try_from(self.slots).ok()?.checked_mul(self.stride)?;
        self.data.checked_add(len).filter(|end| isize::try_from(*end).is_ok())
    }

    fn fits(&self, control_len: usize, data_len: Option<usize>) -> Result<(), OpenError> {
        let too_small = |needed, len| OpenError::TooSmall { needed, len };
        let (control, data) = (self.control_end(), self.data_end());
        let control_needed = if data_len.is_some() { control } else { data };
        let control_needed = control_needed.ok_or_else(|| too_small(usize::MAX, control_len))?;
        if control_needed > control_len {
            return Err(too_small(control_needed, control_len));
        }
        match (data_len, data) {
            (Some(len), Some(needed)) if needed > len => Err(too_small(needed, len)),
            (Some(len), None) => Err(too_small(usize::MAX, len)),
            _ => Ok(()),
        }
    }
}

/// A ring's memory, with what is known of it.
pub(super) struct Mapped<S, D> {
    control: S,
    /// Where the slots are, if not there.
    data: Option<D>,
    pub(super) layout: Layout,
}

/// Makes a ring of memory whose first bytes are zero. Where it cannot, the memory is as it was.
pub(super) fn create<S: Shared, D: Shared>(
    control: &S,
    data: Option<&D>,
    geometry: Geometry,
) -> Result<(), OpenError> {
    let Geometry { slots, slot_size } = geometry;
    let layout = Layout::new(geometry, data.is_some()).ok_or(OpenError::Geometry { slots, slot_size })?;
    layout.fits(control.len(), data.map(Shared::len))?;
    control.run(|start| {
        // SAFETY: a page at least, as `fits` has found, aligned to one; atomics may be written by others.
        let header = unsafe { &*start.cast::<Header>() };
        // SAFETY: as above.
        let words = unsafe { &*start.add(WORDS).cast::<MachineWords>() };
        if header.magic.load(Acquire) == 0 && !futex::works(&words.producer.waiting) {
            return Err(OpenError::NoFutex);
        }
        if header.magic.compare_exchange(0, BEGUN, AcqRel, Acquire).is_err() {
            return Err(OpenError::InUse);
        }
        for end in [&words.producer, &words.consumer] {
            end.tenure.store(0, Relaxed);
            end.waiting.store(0, Relaxed);
        }
        words.head.0.store(0, Relaxed);
        words.tail.0.store(0, Relaxed);
        header.version.store(VERSION, Relaxed);
        header.slots.store(slots, Relaxed);
        header.slot_size.store(slot_size, Relaxed);
        header.split.store(data.is_some().into(), Relaxed);
        header.magic.store(MAGIC, Release);
        Ok(())
    })?
}

impl<S: Shared, D: Shared> Mapped<S, D> {
    /// Opens the ring that is in there.
    pub(super) fn open(control: S, data: Option<D>) -> Result<Mapped<S, D>, OpenError> {
        if control.len() < LENGTHS {
            return Err(OpenError::TooSmall { needed: LENGTHS, len: control.len() });
        }
        let (magic, version, slots, slot_size, split) = control.run(|start| {
            // SAFETY: the memory is longer than that, and aligned to a page; atomics may be written by others.
            let header = unsafe { &*start.cast::<Header>() };
            let magic = header.magic.load(Acquire);
            let rest = (header.version.load(Relaxed), header.slots.load(Relaxed));
            (magic, rest.0, rest.1, header.slot_size.load(Relaxed), header.split.load(Relaxed))
        })?;
        match magic {
            MAGIC => {}
            0 | BEGUN => return Err(OpenError::NotYet),
            magic => return Err(OpenError::NotARing { magic }),
        }
        if version != VERSION {
            return Err(OpenError::Version { version });
        }
        if (split != 0) != data.is_some() {
            return Err(OpenError::Split { split: split != 0 });
        }
        let geometry = Geometry { slots, slot_size };
        let layout = Layout::new(geometry, data.is_some()).ok_or(OpenError::Geometry { slots, slot_size })?;
        layout.fits(control.len(), data.as_ref().map(Shared::len))?;
        let mapped = Mapped { control, data, layout };
        if mapped.words(|words| futex::works(&words.producer.waiting))? {
            return Ok(mapped);
        }
        // What the kernel has found may also be that the page is gone.
        Err(OpenError::NoFutex)
    }

    /// The slot of the frame with this index.
    fn slot(&self, index: u64) -> usize {
        // Less than the number of slots, which is a usize.
        usize::try_from(index % u64::from(self.layout.slots)).unwrap_or(0)
    }

    /// Runs `access` on the first byte of a frame's slot.
    pub(super) fn access<R>(&self, index: u64, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        let offset = self.layout.data + self.slot(index) * self.layout.stride;
        // SAFETY: `fits` has found that all slots are within the memory.
        let access = |start: *mut u8| access(unsafe { start.add(offset) });
        match &self.data {
            None => self.control.run(access),
            Some(data) => data.run(access),
        }
    }

    /// Runs `access` on `count` bytes from `offset` on in a frame's slot, of whose bytes `len` may be used.
    pub(super) fn access_at(
        &self,
        index: u64,
        (offset, count, len): (usize, usize, usize),
        access: impl FnOnce(*mut u8),
    ) -> Result<(), AccessError> {
        let len = len.min(self.layout.slot_size);
        if offset.checked_add(count).is_none_or(|end| end > len) {
            return Err(AccessError::OutOfBounds { offset, count, len });
        }
        // SAFETY: within the slot.
        let done = self.access(index, |start| access(unsafe { start.add(offset) }));
        done.map_err(|Fault { offset }| AccessError::Fault { offset })
    }

    /// Runs `access` on the word with the length of a frame.
    pub(super) fn length<R>(&self, index: u64, access: impl FnOnce(&AtomicU64) -> R) -> Result<R, Fault> {
        let offset = LENGTHS + self.slot(index) * size_of::<u64>();
        // SAFETY: `fits` has found that a word for each slot is within the memory, aligned as LENGTHS and the page are.
        self.control.run(|start| access(unsafe { &*start.add(offset).cast::<AtomicU64>() }))
    }

    fn flag(words: &MachineWords, side: Side) -> &AtomicU32 {
        &words.end(side).waiting
    }

    /// The word that a side sleeps on. Only for the kernel, which takes a page that has vanished for an error.
    fn unguarded_flag(&self, side: Side) -> &AtomicU32 {
        // SAFETY: within the mapping, which lives as long as `self`, and aligned; it is not accessed here.
        let words = unsafe { &*self.control.start().as_ptr().add(WORDS).cast::<MachineWords>() };
        Self::flag(words, side)
    }
}

impl<S: Shared, D: Shared> Platform for Mapped<S, D> {
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    #[inline]
    fn words<R>(&self, f: impl FnOnce(&MachineWords) -> R) -> Result<R, Fault> {
        // SAFETY: the memory is longer than that (`open`), and aligned to a page; these are atomics, which others may write.
        self.control.run(|start| f(unsafe { &*start.add(WORDS).cast::<MachineWords>() }))
    }

    #[inline]
    fn fence() {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    fn sleep(&self, side: Side, deadline: Option<Instant>) -> Result<Woken, RingError> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        futex::wait(self.unguarded_flag(side), 1, left).map_err(|source| RingError::Futex { source })
    }

    fn wake(&self, side: Side) -> Result<(), RingError> {
        futex::wake(self.unguarded_flag(side)).map(|_| ()).map_err(|source| RingError::Futex { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(slots: u32, slot_size: u64) -> Layout {
        Layout::new(Geometry { slots, slot_size }, false).unwrap()
    }

    #[test]
    fn small_slots_begin_on_lines_and_large_ones_on_pages() {
        assert_eq!(layout(1, 1), Layout { slots: 1, slot_size: 1, stride: 64, data: 1088 });
        assert_eq!(layout(16, 65), Layout { slots: 16, slot_size: 65, stride: 128, data: 1152 });
        assert_eq!(layout(4, 4097), Layout { slots: 4, slot_size: 4097, stride: 8192, data: 4096 });
        assert_eq!(Geometry { slots: 2, slot_size: 64 }.memory_len(), Some(1088 + 2 * 64));
        assert_eq!(Geometry { slots: 2, slot_size: 5000 }.split_memory_len(), Some((1040, 16384)));
    }

    #[test]
    fn what_cannot_be_has_no_layout() {
        for (slots, slot_size) in [(0, 1), (1, 0), (1, u64::MAX), (u32::MAX, u64::MAX / 2), (2, 1 << 62)] {
            assert_eq!(Geometry { slots, slot_size }.memory_len(), None, "{slots} {slot_size}");
        }
    }

    proptest! {
        #[test]
        fn what_fits_is_within(slots: u32, slot_size: u64, len: usize, data in proptest::option::of(any::<usize>())) {
            let Some(layout) = Layout::new(Geometry { slots, slot_size }, data.is_some()) else { return Ok(()) };
            if layout.fits(len, data).is_err() {
                return Ok(());
            }
            let last = usize::try_from(slots - 1).unwrap();
            prop_assert!(LENGTHS + 8 * (last + 1) <= len);
            let end = layout.data as u128 + last as u128 * layout.stride as u128 + layout.slot_size as u128;
            prop_assert!(end <= data.unwrap_or(len) as u128);
            prop_assert!(data.is_some() || layout.data >= LENGTHS + 8 * (last + 1));
        }
    }
}
