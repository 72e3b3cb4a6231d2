//! A screen that is memory: for tests, servers and screenshots.
//!
//! It keeps one picture and redraws only what changed. Its clock is a timer of the given rate, or
//! none: then a frame is made as soon as a client has committed one.

use super::{Shown, Way};
use crate::buffer::Path;
use crate::frame::Showing;
use crate::geometry::{Rect, Region, Size};
use crate::render::{Drawn, PixmanRenderer, Renderer, Target};
use crate::scene::Scene;

/// The screen.
pub(crate) struct Headless {
    size: Size,
    period_ns: u32,
    picture: Vec<u32>,
    renderer: PixmanRenderer,
    drawn_once: bool,
}

impl Headless {
    /// A screen of `size` pixels that shows `refresh_hz` frames a second, or as many as there are
    /// if that is 0.
    pub fn new(size: Size, refresh_hz: u32) -> Self {
        // Both are positive: the command line and the library's start check them.
        let mut picture = vec![0; size.w as usize * size.h as usize];
        shm_core::blit::prefer_huge_pages(&mut picture);
        Self {
            size,
            period_ns: 1_000_000_000_u32.checked_div(refresh_hz).unwrap_or(0),
            picture,
            renderer: PixmanRenderer::new(),
            drawn_once: false,
        }
    }

    /// The screen, in words.
    pub fn describe(&self) -> String {
        let rate = match self.period_ns {
            0 => "as fast as clients commit".to_owned(),
            ns => format!("{} frames a second", 1_000_000_000 / ns),
        };
        format!("headless, {}x{} pixels, {rate}", self.size.w, self.size.h)
    }

    /// Nanoseconds from one frame to the next; 0 without a clock.
    pub fn period_ns(&self) -> u32 {
        self.period_ns
    }

    /// Draws what changed.
    pub fn show(&mut self, scene: &Scene, damage: &Region, shown: &mut Shown) -> Showing {
        shown.ways.extend(scene.elements.iter().map(|_| Way { path: Path::Composed, frame: 0 }));
        if !damage.is_non_empty() {
            return Showing::Now;
        }
        let mut target = Target {
            ptr: self.picture.as_mut_ptr().cast(),
            stride: self.size.w as usize * 4,
            size: self.size,
        };
        self.renderer.render(scene.view(), &mut target, damage, &mut shown.drawn);
        self.drawn_once = true;
        Showing::Now
    }

    /// A picture of `scene` in memory of its own, once there has been a frame.
    pub fn compose(&mut self, scene: &Scene, drawn: &mut Vec<Drawn>) -> Option<Vec<u32>> {
        if !self.drawn_once {
            return None;
        }
        let mut picture = vec![0; self.picture.len()];
        let mut target =
            Target { ptr: picture.as_mut_ptr().cast(), stride: self.size.w as usize * 4, size: self.size };
        let all = Rect::of_size(self.size).to_region();
        self.renderer.render(scene.view(), &mut target, &all, drawn);
        Some(picture)
    }

    /// The picture, once there is one.
    pub fn last_frame(&self) -> Option<&[u32]> {
        self.drawn_once.then_some(self.picture.as_slice())
    }
}
