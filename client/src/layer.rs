//! One surface: its picture, and how a buffer of it is drawn, attached and committed.

use std::ops::Range;

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_client::Proxy;
use wayland_client::protocol::wl_output;
use wayland_client::protocol::wl_surface::WlSurface;

use crate::config::{Config, Redraw, Size, Transform};
use crate::error::ClientError;
use crate::memory::{Backing, MemoryError, Write};
use crate::picture::{Painter, Picture};
use crate::pool::{self, Slot, Spec};
use crate::source::Plane;

/// A surface and what is on it.
#[derive(Debug)]
pub struct Layer {
    pub surface: WlSurface,
    pub viewport: Option<WpViewport>,
    painter: Painter,
    /// Whether the picture was damaged in full since it was laid out.
    shown: bool,
}

impl Layer {
    pub fn new(surface: WlSurface, viewport: Option<WpViewport>, picture: Picture) -> Layer {
        let painter = Painter::new(picture, false);
        Layer { surface, viewport, painter, shown: false }
    }

    /// Changes the picture, and says what its buffers have to be.
    pub fn lay_out(&mut self, picture: Picture, config: &Config) -> Spec {
        self.painter = Painter::new(picture, config.scene.clear_unused);
        let stride = pool::stride(picture.format, picture.size.width, config.scene.stride_padding);
        // Pixel libraries want rows that start at whole words.
        let lead = config.scene.offset.next_multiple_of(4);
        self.shown = false;
        Spec { picture, stride, lead }
    }

    pub fn picture(&self) -> Picture {
        *self.painter.picture()
    }

    /// Sends the state of the main surface that never changes: transform, scale, viewport.
    pub fn set_up(&self, config: &Config) -> Result<(), ClientError> {
        let scene = &config.scene;
        let at_least = |version| match self.surface.version() >= version {
            true => Ok(()),
            false => Err(ClientError::Missing { interface: "wl_compositor", version }),
        };
        if scene.transform != Transform::Normal {
            at_least(2)?;
            self.surface.set_buffer_transform(transform(scene.transform));
        }
        if scene.scale > 1 {
            at_least(3)?;
            self.surface.set_buffer_scale(i32::try_from(scene.scale).unwrap_or(i32::MAX));
        }
        if let Some(viewport) = &self.viewport {
            if let Some((x, y, width, height)) = scene.viewport_source {
                viewport.set_source(x, y, width, height);
            }
            if let Some(Size { width, height }) = scene.viewport_destination {
                viewport.set_destination(signed(width), signed(height));
            }
        }
        Ok(())
    }

    /// Draws frame `frame` into the buffer, as far as it has to be. `backing` is the pool's memory, where there is a pool.
    pub fn draw(
        &mut self,
        slot: &mut Slot,
        backing: Option<&mut Backing>,
        frame: u32,
        redraw: Redraw,
    ) -> Result<(), MemoryError> {
        let first = !std::mem::replace(&mut slot.drawn, true);
        let (frame, (columns, rows)) = match redraw {
            Redraw::Full => (frame, (0..u32::MAX, 0..u32::MAX)),
            _ if first => (0, (0..u32::MAX, 0..u32::MAX)),
            Redraw::Patch(edge) => (frame, patch(self.picture().size, edge)),
            Redraw::Never => return Ok(()),
        };
        let planes = slot.planes;
        let painter = &mut self.painter;
        let paint = |write: &mut Write<'_>| {
            painter.paint(frame, columns, rows, |place, bytes| {
                let Plane { offset, stride } = planes[place.plane];
                write(offset + u64::from(place.row) * u64::from(stride) + u64::from(place.left), bytes)
            })
        };
        match (&mut slot.memory, backing) {
            (Some(memory), _) => memory.draw(paint),
            (None, Some(backing)) => paint(&mut |offset, bytes| backing.write(offset, bytes)),
            (None, None) => Ok(()),
        }
    }

    /// Attaches the buffer and says what changed. The caller commits.
    pub fn attach(&mut self, slot: &Slot, redraw: Redraw) {
        self.surface.attach(slot.buffer.as_ref(), 0, 0);
        let first = !std::mem::replace(&mut self.shown, true);
        match redraw {
            Redraw::Patch(edge) if !first && self.surface.version() >= 4 => {
                let (x, y) = patch(self.picture().size, edge);
                let [x, y, width, height] = [x.start, y.start, x.end - x.start, y.end - y.start].map(signed);
                self.surface.damage_buffer(x, y, width, height);
            }
            _ if self.surface.version() >= 4 => {
                let Size { width, height } = self.picture().size;
                self.surface.damage_buffer(0, 0, signed(width), signed(height));
            }
            // In surface coordinates; what is outside counts for nothing.
            _ => self.surface.damage(0, 0, i32::MAX, i32::MAX),
        }
    }
}

/// The columns and rows of a square in the middle of a picture.
fn patch(size: Size, edge: u32) -> (Range<u32>, Range<u32>) {
    let middle = |length: u32| {
        let edge = edge.min(length);
        let start = (length - edge) / 2;
        start..start + edge
    };
    (middle(size.width), middle(size.height))
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn transform(transform: Transform) -> wl_output::Transform {
    match transform {
        Transform::Normal => wl_output::Transform::Normal,
        Transform::Rotate90 => wl_output::Transform::_90,
        Transform::Rotate180 => wl_output::Transform::_180,
        Transform::Rotate270 => wl_output::Transform::_270,
        Transform::Flipped => wl_output::Transform::Flipped,
        Transform::Flipped90 => wl_output::Transform::Flipped90,
        Transform::Flipped180 => wl_output::Transform::Flipped180,
        Transform::Flipped270 => wl_output::Transform::Flipped270,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_in_the_middle_and_never_outside() {
        assert_eq!(patch(Size::new(100, 51), 10), (45..55, 20..30));
        assert_eq!(patch(Size::new(5, 100), 10), (0..5, 45..55));
    }
}
