//! What the compositor says about dma-bufs: which formats and modifiers it takes, and from which device.
//!
//! From version 4 of `zwp_linux_dmabuf_v1` on it is a table of formats in shared memory and a list of tranches that point
//! into it, the preferred first; before, an event for each format. Nothing in it is trusted: the table is read under the
//! guard, as far as its file goes, and a number that points behind its end is an error, not a format.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use shm_core::mapping::{Guarded, MapError, Mapping, ReadError};

use crate::format::Format;

/// How the pixels of a dma-buf lie in memory (`drm_fourcc.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Modifier(pub u64);

impl Modifier {
    /// Row by row: `DRM_FORMAT_MOD_LINEAR`.
    pub const LINEAR: Modifier = Modifier(0);
    /// As the driver that made it knows: `DRM_FORMAT_MOD_INVALID`.
    pub const INVALID: Modifier = Modifier(0x00ff_ffff_ffff_ffff);

    pub(crate) fn halves(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }
}

impl fmt::Display for Modifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Modifier::LINEAR => f.pad("linear"),
            Modifier::INVALID => f.pad("implicit"),
            Modifier(other) => write!(f, "{other:#x}"),
        }
    }
}

/// What the compositor takes, the preferred first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The device that composes (`dev_t`), if it says so.
    pub main_device: Option<u64>,
    /// Formats as DRM numbers them, with modifiers.
    pub formats: Vec<(u32, Modifier)>,
}

impl Offer {
    /// The modifier for a picture that is drawn row by row: linear if that is taken, else the driver's own (which it
    /// is for memory that was made linear); None if the format is not taken like that.
    pub fn choose(&self, format: Format) -> Option<Modifier> {
        let offered = |modifier| self.formats.contains(&(format.drm(), modifier));
        [Modifier::LINEAR, Modifier::INVALID].into_iter().find(|modifier| offered(*modifier))
    }

    /// The modifiers with which the format is taken, in words.
    pub fn modifiers(&self, format: Format) -> String {
        let of = self.formats.iter().filter(|(code, _)| *code == format.drm());
        let words: Vec<String> = of.map(|(_, modifier)| modifier.to_string()).collect();
        if words.is_empty() { "with none".to_owned() } else { format!("with {}", words.join(", ")) }
    }
}

/// Collects the events of a feedback until it is done.
#[derive(Debug, Default)]
pub struct Feedback {
    table: Option<Vec<(u32, Modifier)>>,
    coming: Offer,
}

/// One row of the table: format, padding, modifier.
const ROW: usize = 16;

impl Feedback {
    /// `format_table`: a file of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`FeedbackError::Table`] if it is no memory or too short, [`FeedbackError::Size`].
    pub fn table(&mut self, fd: &OwnedFd, size: u32) -> Result<(), FeedbackError> {
        // The indices have 16 bits: what is behind 65,536 rows nobody can mean.
        let used = (size as usize).min(ROW << 16);
        if size == 0 || !(size as usize).is_multiple_of(ROW) {
            return Err(FeedbackError::Size { size });
        }
        let mapping = Mapping::<Guarded>::new(fd.as_fd(), u64::from(size))
            .map_err(|source| FeedbackError::Table { size, source })?;
        let mut bytes = vec![0; used];
        mapping.copy_to(0, &mut bytes).map_err(|source| FeedbackError::Read { source })?;
        let row = |row: &[u8; ROW]| {
            let [a, b, c, d, _, _, _, _, modifier @ ..] = *row;
            (u32::from_ne_bytes([a, b, c, d]), Modifier(u64::from_ne_bytes(modifier)))
        };
        self.table = Some(bytes.as_chunks::<ROW>().0.iter().map(row).collect());
        Ok(())
    }

    /// `main_device`: the bytes of a `dev_t`.
    ///
    /// # Errors
    ///
    /// [`FeedbackError::Device`].
    pub fn main_device(&mut self, device: &[u8]) -> Result<(), FeedbackError> {
        let bytes = device.try_into().map_err(|_| FeedbackError::Device { len: device.len() })?;
        self.coming.main_device = Some(u64::from_ne_bytes(bytes));
        Ok(())
    }

    /// `tranche_formats`: indices of 16 bits into the table.
    ///
    /// # Errors
    ///
    /// [`FeedbackError::NoTable`], [`FeedbackError::Index`].
    pub fn formats(&mut self, indices: &[u8]) -> Result<(), FeedbackError> {
        let table = self.table.as_deref().ok_or(FeedbackError::NoTable)?;
        for index in indices.as_chunks::<2>().0 {
            let index = u16::from_ne_bytes(*index);
            let row = table.get(usize::from(index));
            let row = row.ok_or(FeedbackError::Index { index, rows: table.len() })?;
            self.coming.formats.push(*row);
        }
        Ok(())
    }

    /// `format` and `modifier` of versions 1 to 3.
    pub fn format(&mut self, format: u32, modifier: Modifier) {
        self.coming.formats.push((format, modifier));
    }

    /// `done`: all has been said. The table stays for the next time.
    pub fn done(&mut self) -> Offer {
        std::mem::take(&mut self.coming)
    }
}

/// What is wrong with the compositor's feedback.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// Its table is no memory that can be read.
    #[error("the compositor's table of formats ({size} bytes) cannot be read")]
    Table {
        /// The size it claims, in bytes.
        size: u32,
        /// Why not.
        source: MapError,
    },
    /// It vanished.
    #[error("the compositor's table of formats cannot be read")]
    Read {
        /// What happened.
        source: ReadError,
    },
    /// It has no whole rows.
    #[error("the compositor's table of formats has {size} bytes, which are no rows of 16")]
    Size {
        /// The size it claims, in bytes.
        size: u32,
    },
    /// A tranche came before the table.
    #[error("the compositor lists formats without a table of them")]
    NoTable,
    /// A tranche points behind the end.
    #[error("the compositor means row {index} of a table of {rows} formats")]
    Index {
        /// The row, from 0.
        index: u16,
        /// How many there are.
        rows: usize,
    },
    /// The device has a strange number.
    #[error("the compositor names its device with {len} bytes instead of 8")]
    Device {
        /// How many bytes.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::memfd;
    use shm_core::seals::Seals;

    fn table(rows: &[(Format, u64)]) -> (OwnedFd, u32) {
        let row = |(format, modifier): &(Format, u64)| {
            [&format.drm().to_ne_bytes()[..], &[0xaa; 4], &modifier.to_ne_bytes()].concat()
        };
        let bytes: Vec<u8> = rows.iter().flat_map(row).collect();
        let fd = memfd::create("table", bytes.len() as u64, Some(Seals::SHRINK)).unwrap();
        rustix::io::pwrite(&fd, &bytes, 0).unwrap();
        (fd, bytes.len() as u32)
    }

    fn indices(list: &[u16]) -> Vec<u8> {
        list.iter().flat_map(|index| index.to_ne_bytes()).collect()
    }

    #[test]
    fn tranches_point_into_the_table_in_their_order() {
        let (fd, size) =
            table(&[(Format::Xrgb8888, 0), (Format::Nv12, 7), (Format::Argb8888, Modifier::INVALID.0)]);
        let mut feedback = Feedback::default();
        feedback.table(&fd, size).unwrap();
        feedback.main_device(&0x1234_u64.to_ne_bytes()).unwrap();
        feedback.formats(&indices(&[2])).unwrap();
        feedback.formats(&indices(&[1, 0])).unwrap();
        let offer = feedback.done();
        assert_eq!(offer.main_device, Some(0x1234));
        let expected = [
            (Format::Argb8888, Modifier::INVALID),
            (Format::Nv12, Modifier(7)),
            (Format::Xrgb8888, Modifier::LINEAR),
        ];
        assert_eq!(offer.formats, expected.map(|(format, modifier)| (format.drm(), modifier)));
        // The next round uses the same table, and starts from nothing.
        feedback.formats(&indices(&[0])).unwrap();
        assert_eq!(feedback.done().formats, [(Format::Xrgb8888.drm(), Modifier::LINEAR)]);
        assert_eq!(feedback.done(), Offer::default());
    }

    #[test]
    fn linear_is_chosen_before_implicit_and_nothing_else_is() {
        let offer = |modifiers: &[u64]| Offer {
            main_device: None,
            formats: modifiers.iter().map(|m| (Format::P010.drm(), Modifier(*m))).collect(),
        };
        let invalid = Modifier::INVALID.0;
        assert_eq!(offer(&[9, invalid, 0]).choose(Format::P010), Some(Modifier::LINEAR));
        assert_eq!(offer(&[9, invalid]).choose(Format::P010), Some(Modifier::INVALID));
        assert_eq!(offer(&[9]).choose(Format::P010), None);
        assert_eq!(offer(&[0]).choose(Format::Nv12), None);
        assert_eq!(offer(&[0, 9]).modifiers(Format::P010), "with linear, 0x9");
        assert_eq!(offer(&[0]).modifiers(Format::Nv12), "with none");
    }

    #[test]
    fn a_hostile_table_is_an_error_and_nothing_worse() {
        let (fd, size) = table(&[(Format::Xrgb8888, 0); 3]);
        let mut feedback = Feedback::default();
        assert!(matches!(feedback.formats(&indices(&[0])), Err(FeedbackError::NoTable)));
        for wrong in [0, 1, 15, 47] {
            assert!(matches!(feedback.table(&fd, wrong), Err(FeedbackError::Size { size }) if size == wrong));
        }
        for long in [64, 1 << 20, u32::MAX - 15] {
            assert!(
                matches!(feedback.table(&fd, long), Err(FeedbackError::Table { size, .. }) if size == long)
            );
        }
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(matches!(feedback.table(&reader.into(), 16), Err(FeedbackError::Table { .. })));
        feedback.table(&fd, size).unwrap();
        assert!(matches!(
            feedback.formats(&indices(&[2, 3])),
            Err(FeedbackError::Index { index: 3, rows: 3 })
        ));
        assert!(matches!(feedback.main_device(&[1; 4]), Err(FeedbackError::Device { len: 4 })));
        assert!(matches!(feedback.main_device(&[]), Err(FeedbackError::Device { len: 0 })));
        // Half an index is none.
        feedback.done();
        feedback.formats(&[0, 0, 1]).unwrap();
        assert_eq!(feedback.done().formats.len(), 1);
    }

    #[test]
    fn a_table_of_more_rows_than_can_be_meant_is_read_as_far_as_they_can() {
        let size = 20 << 20;
        let fd = memfd::create("table", size.into(), Some(Seals::SHRINK)).unwrap();
        let mut feedback = Feedback::default();
        feedback.table(&fd, size).unwrap();
        feedback.formats(&indices(&[u16::MAX])).unwrap();
        assert_eq!(feedback.done().formats, [(0, Modifier::LINEAR)]);
    }
}
