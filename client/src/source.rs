//! Where buffers come from: shared memory, or one of the makers of dma-bufs.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::str::FromStr;

use shm_core::dma_heap::{DmaHeap, DmaHeapError};
use shm_core::dmabuf::{DmaBuf, DmaBufError, DmaBufMappingMut};
use shm_core::seals::Seals;
use shm_core::udmabuf::{Udmabuf, UdmabufError};

use crate::card::{Card, CardError, Maker};
use crate::config::{Config, ConfigError, Memory};
use crate::format::Format;
use crate::memory::{Backing, MemoryError, Write};
use crate::pool::Spec;

/// What the buffers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BufferKind {
    /// Shared memory, in a `wl_shm_pool`.
    #[default]
    Shm,
    /// A dma-buf of each buffer's own memfd ([`Config::memory`], [`Config::seals`]), by `/dev/udmabuf`.
    Udmabuf,
    /// A dma-buf from a heap in `/dev/dma_heap`.
    DmaHeap,
    /// A dumb buffer of a graphics driver.
    Dumb,
    /// A linear buffer of GBM.
    Gbm,
    /// The first that works, in the order of [`BufferKind::TRIED`].
    Auto,
}

impl BufferKind {
    /// All of them.
    pub const ALL: [BufferKind; 6] = [
        BufferKind::Shm,
        BufferKind::Udmabuf,
        BufferKind::DmaHeap,
        BufferKind::Dumb,
        BufferKind::Gbm,
        BufferKind::Auto,
    ];

    /// What [`BufferKind::Auto`] tries, first to last: memory that the CPU is quick to draw in comes before a device's.
    pub const TRIED: [BufferKind; 5] =
        [BufferKind::Udmabuf, BufferKind::DmaHeap, BufferKind::Gbm, BufferKind::Dumb, BufferKind::Shm];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            BufferKind::Shm => "shm",
            BufferKind::Udmabuf => "udmabuf",
            BufferKind::DmaHeap => "dma-heap",
            BufferKind::Dumb => "dumb",
            BufferKind::Gbm => "gbm",
            BufferKind::Auto => "auto",
        }
    }
}

impl fmt::Display for BufferKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BufferKind {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<BufferKind, ConfigError> {
        let found = BufferKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(s));
        found.ok_or_else(|| ConfigError::UnknownBuffer(s.to_owned()))
    }
}

/// Where a plane lies in its memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plane {
    /// Its first byte.
    pub offset: u64,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// Where the planes of a picture lie, one behind the other, all with the same stride.
pub fn planes(format: Format, height: u32, lead: u64, stride: u32) -> [Plane; 3] {
    let mut offset = lead;
    let mut planes = [Plane::default(); 3];
    for (plane, place) in planes.iter_mut().enumerate().take(format.planes()) {
        *place = Plane { offset, stride };
        offset += u64::from(stride) * u64::from(format.rows(plane, height));
    }
    planes
}

/// Rows of all planes together.
pub fn total_rows(format: Format, height: u32) -> u32 {
    (0..format.planes()).map(|plane| format.rows(plane, height)).sum()
}

/// A maker of dma-bufs.
#[derive(Debug)]
pub enum Source {
    Udmabuf { device: Udmabuf, memory: Memory, seals: Option<Seals> },
    Heap(DmaHeap),
    Card(Card),
}

/// One dma-buf with a picture in it.
#[derive(Debug)]
pub struct DmaMemory {
    buffer: DmaBuf,
    mapping: DmaBufMappingMut,
    pub planes: [Plane; 3],
}

/// What devices want strides to be multiples of, in bytes; the strictest known.
const STRIDE: u32 = 256;

impl Source {
    /// Opens it. `kind` is neither shm nor auto, which have no device.
    pub fn open(kind: BufferKind, config: &Config, main_device: Option<u64>) -> Result<Source, SourceError> {
        let device = config.device.as_deref();
        let card = |maker| Ok(Source::Card(Card::open(maker, device, main_device)?));
        match kind {
            BufferKind::Dumb => card(Maker::Dumb),
            BufferKind::Gbm => card(Maker::Gbm),
            BufferKind::DmaHeap => Ok(Source::Heap(DmaHeap::open(heap(device))?)),
            BufferKind::Udmabuf | BufferKind::Shm | BufferKind::Auto => {
                let (memory, seals) = (config.memory.clone(), config.seals);
                Ok(Source::Udmabuf { device: Udmabuf::open()?, memory, seals })
            }
        }
    }

    /// Makes memory for a picture.
    pub fn allocate(&self, spec: &Spec) -> Result<DmaMemory, SourceError> {
        let (format, height) = (spec.picture.format, spec.picture.size.height);
        let rows = total_rows(format, height);
        let stride = spec.stride.next_multiple_of(STRIDE);
        let bytes = u64::from(spec.lead) + u64::from(stride) * u64::from(rows);
        let (buffer, stride) = match self {
            Source::Card(card) => {
                let words = spec.stride.div_ceil(4);
                // What lies in front is whole rows of it.
                let front = spec.lead.div_ceil((words * 4).max(1));
                let made = card.allocate(format, words, rows + front)?;
                (made.buffer, made.stride)
            }
            Source::Heap(heap) => (heap.allocate(bytes)?, stride),
            Source::Udmabuf { device, memory, seals } => {
                let size = bytes.next_multiple_of(rustix::param::page_size() as u64);
                let backing = Backing::create(memory, *seals, size)?;
                (device.create(&backing.fd(), 0, size)?, stride)
            }
        };
        let mapping = buffer.map_mut()?;
        Ok(DmaMemory { planes: planes(format, height, spec.lead.into(), stride), buffer, mapping })
    }
}

/// The name of the heap: that of the device, or the one that every kernel with heaps has.
fn heap(device: Option<&Path>) -> &str {
    let heap = device.filter(|path| path.starts_with("/dev/dma_heap"));
    heap.and_then(|path| path.file_name()?.to_str()).unwrap_or("system")
}

impl DmaMemory {
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.buffer.fd()
    }

    /// Who made it.
    pub fn exporter(&self) -> &str {
        self.buffer.exporter()
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.buffer.size()
    }

    /// Has `draw` write to it in one turn.
    pub fn draw(
        &mut self,
        draw: impl FnOnce(&mut Write<'_>) -> Result<(), MemoryError>,
    ) -> Result<(), MemoryError> {
        self.mapping.turn(|turn| {
            draw(&mut |offset, bytes| {
                // What does not fit into an address is out of bounds.
                Ok(turn.write_at(usize::try_from(offset).unwrap_or(usize::MAX), bytes)?)
            })
        })?
    }
}

/// Why there are no buffers of a kind.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The compositor does not know dma-bufs.
    #[error("the compositor takes no dma-bufs (zwp_linux_dmabuf_v1): use --buffer shm")]
    NoGlobal,
    /// It does not take this format.
    #[error(
        "the compositor takes {format} in dma-bufs {modifiers}, and only linear ones can be drawn in: try another --format, or --buffer shm"
    )]
    NotOffered {
        /// The format's name.
        format: &'static str,
        /// The modifiers it takes it with.
        modifiers: String,
    },
    /// It did not take a buffer.
    #[error(
        "the compositor could not use a dma-buf of {kind} (made by {exporter}): try another --buffer, or --device"
    )]
    Refused {
        /// The kind of the buffer.
        kind: BufferKind,
        /// Who made it.
        exporter: String,
    },
    /// The format is one of video.
    #[error("{format} goes into dma-bufs only: choose another --buffer than shm")]
    NotInShm {
        /// The format's name.
        format: &'static str,
    },
    /// No udmabuf.
    #[error(transparent)]
    Udmabuf(#[from] UdmabufError),
    /// No heap.
    #[error(transparent)]
    Heap(#[from] DmaHeapError),
    /// No device.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The dma-buf cannot be used.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
    /// There is no memory to make it of.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::Size;
    use crate::pattern::Pattern;
    use crate::picture::{Painter, Picture};

    /// Draws a picture into memory of this source, and looks whether it is there.
    fn check(name: &str, source: Result<Source, SourceError>, format: Format) {
        let source = match source {
            Ok(source) => source,
            Err(error) if std::env::var_os("SELKIE_REQUIRE_DMABUF").is_some_and(|v| v == "1") => {
                panic!("{name}: {error:?}")
            }
            Err(error) => return eprintln!("skipped: {name}: {error}"),
        };
        let size = Size::new(61, 37);
        let picture = Picture { pattern: Pattern::Plasma, size, format, alpha: false, stamp: false };
        let stride = crate::pool::stride(format, size.width, 12);
        let mut memory = source.allocate(&Spec { picture, stride, lead: 100 }).unwrap();
        let planes = memory.planes;
        assert_eq!(planes[0].offset, 100);
        let mut painter = Painter::new(picture, false);
        let mut expected = Vec::new();
        memory
            .draw(|write| {
                painter.paint(3, 0..61, 0..37, |place, bytes| {
                    let Plane { offset, stride } = planes[place.plane];
                    let at = offset + u64::from(place.row) * u64::from(stride);
                    expected.push((at, bytes.to_vec()));
                    write(at, bytes)
                })
            })
            .unwrap();
        // As a stranger sees it.
        let buffer = DmaBuf::new(memory.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(buffer.exporter(), memory.exporter());
        let mapping = buffer.map().unwrap();
        for (at, bytes) in expected {
            let mut seen = vec![0; bytes.len()];
            mapping.copy_to(at as usize, &mut seen).unwrap();
            assert_eq!(seen, bytes, "{name} {format} at {at}");
        }
        eprintln!(
            "{name}: {} bytes, made by {}, strides of {}",
            memory.size(),
            memory.exporter(),
            planes[0].stride
        );
    }

    #[test]
    fn every_source_makes_a_dmabuf_that_can_be_drawn_in() {
        for format in [Format::Xrgb8888, Format::Rgb565, Format::Nv12, Format::P010, Format::Yuv420] {
            for kind in [BufferKind::Udmabuf, BufferKind::DmaHeap, BufferKind::Dumb, BufferKind::Gbm] {
                check(kind.name(), Source::open(kind, &Config::default(), None), format);
            }
        }
    }

    #[test]
    fn every_card_makes_a_dmabuf_that_can_be_drawn_in() {
        let entries = std::fs::read_dir("/dev/dri").into_iter().flatten();
        let nodes = entries.map(|entry| entry.unwrap().path());
        for path in nodes.filter(|path| path.to_string_lossy().contains("/card")) {
            for kind in [BufferKind::Dumb, BufferKind::Gbm] {
                let config = Config { device: Some(path.clone()), ..Config::default() };
                let name = format!("{kind} of {}", path.display());
                check(&name, Source::open(kind, &config, None), Format::Xrgb8888);
            }
        }
    }

    #[test]
    fn a_udmabuf_of_memory_that_is_not_sealed_is_refused_in_words() {
        let config = Config { seals: Some(Seals::GROW), ..Config::default() };
        let source = match Source::open(BufferKind::Udmabuf, &config, None) {
            Ok(source) => source,
            Err(error) => {
                assert!(error.to_string().contains("/dev/udmabuf"), "{error}");
                return;
            }
        };
        let picture = config.picture(config.size);
        let error = source.allocate(&Spec { picture, stride: 2560, lead: 0 }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "udmabuf needs F_SEAL_SHRINK and no write seal, and the memory has the seals grow: add F_SEAL_SHRINK"
        );
    }

    #[test]
    fn planes_lie_one_behind_the_other() {
        let at = |offset, stride| Plane { offset, stride };
        assert_eq!(planes(Format::Xrgb8888, 7, 100, 512)[..2], [at(100, 512), at(0, 0)]);
        assert_eq!(planes(Format::Nv12, 7, 0, 256)[..2], [at(0, 256), at(7 * 256, 256)]);
        assert_eq!(planes(Format::Yuv420, 7, 8, 256), [at(8, 256), at(1800, 256), at(1800 + 4 * 256, 256)]);
        assert_eq!([Format::Xrgb8888, Format::P010, Format::Yuv420].map(|f| total_rows(f, 7)), [7, 11, 15]);
    }

    #[test]
    fn kinds_have_names_and_auto_ends_at_shm() {
        for kind in BufferKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!(
            "dmabuf".parse::<BufferKind>().unwrap_err().to_string(),
            "unknown kind of buffer \"dmabuf\" (known: shm, udmabuf, dma-heap, dumb, gbm, auto)"
        );
        assert_eq!(BufferKind::TRIED.last(), Some(&BufferKind::Shm));
        assert!(!BufferKind::TRIED.contains(&BufferKind::Auto));
    }

    #[test]
    fn a_device_names_a_heap_only_if_it_is_one() {
        assert_eq!(heap(None), "system");
        assert_eq!(heap(Some(Path::new("/dev/dma_heap/reserved"))), "reserved");
        assert_eq!(heap(Some(Path::new("/dev/dri/card0"))), "system");
    }
}
