//! The pictures that a compositor was asked for: its last frame, and all of them.

use std::path::PathBuf;
use std::time::Duration;

use crate::backend::Backend;
use crate::capture::{CaptureError, Picture, Recorder};
use crate::config::Config;
use crate::geometry::Region;
use crate::scene::Scene;

/// What is to be written, and what went wrong so far.
#[derive(Default)]
pub(crate) struct Pictures {
    capture: Option<(PathBuf, Picture)>,
    record: Option<Recorder>,
    interval: Duration,
    /// When the last frame was recorded.
    last: Option<Duration>,
    /// What has changed since.
    unrecorded: Region,
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
            interval: config.record_interval,
            ..Self::default()
        })
    }

    /// A frame was shown that differs from the last one in `damage`.
    ///
    /// A failure ends the recording, not the compositor; it is told at once, and again at the end.
    pub fn frame(&mut self, backend: &mut Backend, scene: &Scene, damage: &Region, at_ns: u64) {
        if self.record.is_none() {
            return;
        }
        let at = Duration::from_nanos(at_ns);
        self.unrecorded = self.unrecorded.union(damage);
        if self.last.is_none_or(|last| at.saturating_sub(last) >= self.interval) {
            self.push(backend, scene, at);
        }
    }

    fn push(&mut self, backend: &mut Backend, scene: &Scene, at: Duration) {
        let Some(recorder) = &mut self.record else { return };
        let damage = std::mem::take(&mut self.unrecorded);
        self.last = Some(at);
        let pushed = backend.last_frame(scene, |pixels| recorder.push(at, scene.size, pixels, &damage));
        if let Some(Err(e)) = pushed {
            tracing::error!("{e}; the recording is lost");
            self.failed = Some(e);
            self.record = None;
        }
    }

    /// Writes what remains to be written; `scene` is what shows.
    pub fn finish(&mut self, backend: &mut Backend, scene: &Scene, at_ns: u64) -> Result<(), CaptureError> {
        let captured = match self.capture.take() {
            Some((path, picture)) => backend
                .last_frame(scene, |pixels| picture.write(scene.size, pixels))
                .unwrap_or(Err(CaptureError::Empty(path))),
            None => Ok(()),
        };
        let at = Duration::from_nanos(at_ns);
        if self.unrecorded.is_non_empty() {
            self.push(backend, scene, at);
        }
        let recorded = match self.record.take() {
            Some(recorder) => recorder.finish(at),
            None => Ok(()),
        };
        match self.failed.take() {
            Some(e) => Err(e),
            None => captured.and(recorded),
        }
    }
}
