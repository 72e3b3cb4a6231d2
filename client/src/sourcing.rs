//! Which kind of buffer is used: the one asked for, or the first of several that works.

use serde::Serialize;
use tracing::info;

use crate::config::Config;
use crate::error::ClientError;
use crate::feedback::{Modifier, Offer};
use crate::pool::Spec;
use crate::source::{BufferKind, Source, SourceError};

/// What the buffers are made of, as it turned out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Buffers {
    /// The kind: `shm`, `udmabuf`, `dma-heap`, `dumb` or `gbm`; empty as long as there are none.
    pub kind: &'static str,
    /// Who made the dma-bufs, as the kernel calls it.
    pub exporter: Option<String>,
    /// How the pixels of the main surface lie in a dma-buf: `linear`, or `implicit`.
    pub modifier: Option<String>,
    /// What was tried before, and why it was not taken.
    pub refused: Vec<String>,
}

impl std::fmt::Display for Buffers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind)?;
        if let (Some(exporter), Some(modifier)) = (&self.exporter, &self.modifier) {
            write!(f, " (dma-bufs made by {exporter}, {modifier})")?;
        }
        Ok(())
    }
}

/// The kinds that are left to try.
#[derive(Debug)]
pub struct Sourcing {
    /// The first is in use.
    left: Vec<BufferKind>,
    auto: bool,
    open: Option<Source>,
    pub refused: Vec<String>,
}

impl Sourcing {
    pub fn new(kind: BufferKind) -> Sourcing {
        let auto = kind == BufferKind::Auto;
        let left = if auto { BufferKind::TRIED.to_vec() } else { vec![kind] };
        Sourcing { left, auto, open: None, refused: Vec::new() }
    }

    /// The kind in use.
    pub fn kind(&self) -> BufferKind {
        self.left.first().copied().unwrap_or(BufferKind::Shm)
    }

    /// The maker of dma-bufs, opened when first needed.
    pub fn source(&mut self, config: &Config, offer: &Offer) -> Result<&Source, SourceError> {
        let kind = self.kind();
        match &mut self.open {
            Some(source) => Ok(source),
            none => Ok(none.insert(Source::open(kind, config, offer.main_device)?)),
        }
    }

    /// The kind in use does not work: goes on to the next, if there is one and it was not asked for by name.
    pub fn refuse(&mut self, error: SourceError) -> Result<(), ClientError> {
        if !self.auto || self.left.len() < 2 {
            return Err(error.into());
        }
        // What holds for one kind of dma-buf holds for all.
        let all = matches!(error, SourceError::NoGlobal | SourceError::NotOffered { .. });
        let why = match all {
            true => chain(&error),
            false => format!("{}: {}", self.kind(), chain(&error)),
        };
        info!("{why}");
        self.refused.push(why);
        match all {
            true => self.left = vec![BufferKind::Shm],
            false => drop(self.left.remove(0)),
        }
        self.open = None;
        Ok(())
    }
}

/// The modifier for each surface.
pub fn modifiers(offer: &Offer, specs: &[Spec]) -> Result<Vec<Modifier>, SourceError> {
    let choose = |spec: &Spec| {
        let format = spec.picture.format;
        offer.choose(format).ok_or_else(|| SourceError::NotOffered {
            format: format.fourcc(),
            modifiers: offer.modifiers(format),
        })
    };
    specs.iter().map(choose).collect()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::CardError;

    #[test]
    fn auto_goes_from_one_to_the_next_and_ends_at_shm() {
        let mut sourcing = Sourcing::new(BufferKind::Auto);
        for kind in &BufferKind::TRIED[..4] {
            assert_eq!(sourcing.kind(), *kind);
            sourcing.refuse(SourceError::Card(CardError::None)).unwrap();
        }
        assert_eq!(sourcing.kind(), BufferKind::Shm);
        assert_eq!(sourcing.refused.len(), 4);
        assert!(sourcing.refused[0].starts_with("udmabuf: no graphics device"), "{:?}", sourcing.refused);
        assert!(sourcing.refuse(SourceError::NotInShm { format: "NV12" }).is_err());
    }

    #[test]
    fn a_compositor_without_dma_bufs_is_asked_once() {
        let mut sourcing = Sourcing::new(BufferKind::Auto);
        sourcing.refuse(SourceError::NoGlobal).unwrap();
        assert_eq!((sourcing.kind(), sourcing.refused.len()), (BufferKind::Shm, 1));
    }

    #[test]
    fn a_kind_that_was_asked_for_has_no_substitute() {
        let mut sourcing = Sourcing::new(BufferKind::Gbm);
        assert!(sourcing.refuse(SourceError::NoGlobal).is_err());
        assert_eq!((sourcing.kind(), sourcing.refused.len()), (BufferKind::Gbm, 0));
    }
}
