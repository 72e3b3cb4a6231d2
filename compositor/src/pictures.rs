//! The pictures that a compositor was asked for: its last frame, and all of them.

use std::path::PathBuf;
use std::time::Duration;

use crate::backend::Backend;
use crate::capture::{CaptureError, Picture, Recorder};
use crate::config::Config;
use crate::geometry::{Region, Size};

/// What is to be written, and what went wrong so far.
#[derive(Default)]
pub(crate) struct Pictures {
    capture: Option<(PathBuf, Picture)>,
    record: Option<Recorder>,
    failed: Option<CaptureError>,
}

impl Pictures {
    /// Makes sure that what `config` asks for can be written.
    pub fn create(config: &Config) -> Result<Self, CaptureError> {
        Ok(Self {
            capture: match &config.capture {
                Some(path) => Some((path.clone(), Picture::create(path)?)),
                None => None,
            },
            record: config.record.as_deref().map(Recorder::create).transpose()?,
            failed: None,
        })
    }

    /// A frame was shown that differs from the last one in `damage`.
    ///
    /// A failure ends the recording, not the compositor; it is told at once, and again at the end.
    pub fn frame(&mut self, backend: &mut Backend, size: Size, damage: &Region, at_ns: u64) {
        let Some(recorder) = &mut self.record else { return };
        let at = Duration::from_nanos(at_ns);
        let pushed = backend.last_frame(|pixels| recorder.push(at, size, pixels, damage));
        if let Some(Err(e)) = pushed {
            tracing::error!("{e}; the recording is lost");
            self.failed = Some(e);
            self.record = None;
        }
    }

    /// Writes what remains to be written.
    pub fn finish(&mut self, backend: &mut Backend, size: Size, at_ns: u64) -> Result<(), CaptureError> {
        let captured = match self.capture.take() {
            Some((path, picture)) => backend
                .last_frame(|pixels| picture.write(size, pixels))
                .unwrap_or(Err(CaptureError::Empty(path))),
            None => Ok(()),
        };
        let recorded = match self.record.take() {
            Some(recorder) => recorder.finish(Duration::from_nanos(at_ns)),
            None => Ok(()),
        };
        match self.failed.take() {
            Some(e) => Err(e),
            None => captured.and(recorded),
        }
    }
}
