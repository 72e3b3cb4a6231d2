//! Where and how a host is to show an element: its subsurface's place, and the crop, scale and transform of its buffer.
//!
//! A host does what we would: it crops, scales and turns. It does not cut off what reaches beyond our window, so that is done here,
//! by showing a smaller part. And its units are coarser than ours where its screen has a scale, and its crops are
//! in 1/256: what cannot be said in them cannot be placed.
//!
//! See wl_surface.set_buffer_transform and set_buffer_scale in wayland.xml, and viewporter.xml.

use crate::geometry::{Point, Rect, RectF, Size, Transform};
use crate::scene::Element;

/// The place of a surface in the host's window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Its top left corner in the window, in the host's units.
    pub at: Point,
    /// How its content was turned.
    pub transform: Transform,
    /// Pixels of the buffer per unit of the host, before the crop.
    pub scale: i32,
    /// The part that shows, in the host's units before scaling; all of it if not given.
    pub source: Option<RectF>,
    /// The size it shows at, in the host's units.
    pub destination: Option<Size>,
    /// What of the element shows, in pixels of the output.
    pub visible: Rect,
}

/// Why an element cannot be placed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// It begins or ends within one of the host's units.
    #[error("it does not lie on whole units of the host")]
    OffGrid,
    /// Its crop cannot be said in 1/256 of a pixel.
    #[error("the part that shows cannot be told in 1/256 of a pixel")]
    Fraction,
    /// What shows is enlarged, and interpolated with what is cut off.
    #[error(
        "it is enlarged, and a part of it does not show: a host would not know what comes after the edge"
    )]
    CutOff,
    /// It has to be cropped or scaled.
    #[error("the host has no wp_viewporter, which it takes to crop or scale")]
    NoViewporter,
}

/// Where a host whose units are `unit` pixels is to show `element` in a window of `screen` pixels, its buffer being of `buffer`
/// pixels. `None` if none of it shows.
///
/// # Errors
///
/// [`Misfit`] if the host's protocol cannot express it.
pub(crate) fn place(
    element: &Element,
    buffer: Size,
    screen: Size,
    unit: i32,
    viewporter: bool,
) -> Result<Option<Place>, Misfit> {
    let dest = element.dest;
    let visible = dest.intersect(Rect::of_size(screen));
    if visible.is_empty() {
        return Ok(None);
    }
    if [visible.x, visible.y, visible.w, visible.h].iter().any(|v| v % unit != 0) {
        return Err(Misfit::OffGrid);
    }
    let transform = element.transform;
    let (bw, bh) = (f64::from(buffer.w), f64::from(buffer.h));
    let turned = buffer.transformed(transform);
    let mut source = transform.rect_from_buffer(element.source, (bw, bh));
    let whole = Rect::of_size(turned);
    let uncropped = visible == dest
        && (source.x, source.y) == (0.0, 0.0)
        && (source.w, source.h) == (f64::from(whole.w), f64::from(whole.h));
    let at = Point::new(visible.x / unit, visible.y / unit);
    if uncropped && turned == dest.size() {
        return Ok(Some(Place { at, transform, scale: unit, source: None, destination: None, visible }));
    }
    if !viewporter {
        return Err(Misfit::NoViewporter);
    }
    let destination = Some(Size::new(visible.w / unit, visible.h / unit));
    if uncropped {
        return Ok(Some(Place { at, transform, scale: 1, source: None, destination, visible }));
    }
    let (kx, ky) = (source.w / f64::from(dest.w), source.h / f64::from(dest.h));
    // Between two pixels of a picture that is enlarged lie others, which take both: also at an edge that only we know of.
    if (kx < 1.0 && visible.w != dest.w) || (ky < 1.0 && visible.h != dest.h) {
        return Err(Misfit::CutOff);
    }
    let cut = (visible.x as i64 - dest.x as i64, visible.y as i64 - dest.y as i64);
    source.x += cut.0 as f64 * kx;
    source.y += cut.1 as f64 * ky;
    source.w = f64::from(visible.w) * kx;
    source.h = f64::from(visible.h) * ky;
    let sayable = |v: f64| v >= 0.0 && (v * 256.0).fract() == 0.0;
    let within = source.x + source.w <= f64::from(turned.w) && source.y + source.h <= f64::from(turned.h);
    if ![source.x, source.y, source.w, source.h].into_iter().all(sayable)
        || !within
        || source.w <= 0.0
        || source.h <= 0.0
    {
        return Err(Misfit::Fraction);
    }
    Ok(Some(Place { at, transform, scale: 1, source: Some(source), destination, visible }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Region;
    use crate::scene::{Color, Content, ElementId, News};

    const SCREEN: Size = Size::new(640, 480);
    const BUFFER: Size = Size::new(100, 50);

    fn element(source: RectF, transform: Transform, dest: Rect) -> Element {
        Element {
            id: ElementId::Surface(1),
            content: Content::Solid(Color::default()),
            source,
            transform,
            dest,
            opaque: Region::default(),
            news: News::default(),
        }
    }

    fn part(x: f64, y: f64, w: f64, h: f64) -> RectF {
        RectF { x, y, w, h }
    }

    fn all() -> RectF {
        part(0.0, 0.0, 100.0, 50.0)
    }

    fn placed(e: &Element, unit: i32) -> Place {
        place(e, BUFFER, SCREEN, unit, true).unwrap().unwrap()
    }

    #[test]
    fn what_shows_as_it_is_takes_no_viewport() {
        let dest = Rect::new(10, 20, 100, 50);
        let normal = element(all(), Transform::Normal, dest);
        let expected = Place {
            at: Point::new(10, 20),
            transform: Transform::Normal,
            scale: 1,
            source: None,
            destination: None,
            visible: dest,
        };
        assert_eq!(place(&normal, BUFFER, SCREEN, 1, false), Ok(Some(expected)));
        let turned = element(all(), Transform::Rotated90, Rect::new(10, 20, 50, 100));
        assert_eq!(
            place(&turned, BUFFER, SCREEN, 1, false).unwrap().unwrap().transform,
            Transform::Rotated90
        );
        let doubled = placed(&normal, 2);
        assert_eq!((doubled.at, doubled.scale, doubled.destination), (Point::new(5, 10), 2, None));
    }

    #[test]
    fn what_reaches_beyond_the_window_is_cut_off() {
        let left = placed(&element(all(), Transform::Normal, Rect::new(-30, 440, 100, 50)), 1);
        assert_eq!((left.at, left.destination), (Point::new(0, 440), Some(Size::new(70, 40))));
        assert_eq!(left.source, Some(part(30.0, 0.0, 70.0, 40.0)));
        // The source is told as it is turned: what shows leftmost is the buffer's top.
        let turned = placed(&element(all(), Transform::Rotated90, Rect::new(-30, 0, 50, 100)), 1);
        assert_eq!(turned.source, Some(part(30.0, 0.0, 20.0, 100.0)));
        assert_eq!(turned.destination, Some(Size::new(20, 100)));
        let outside = element(all(), Transform::Normal, Rect::new(640, 0, 100, 50));
        assert_eq!(place(&outside, BUFFER, SCREEN, 1, true), Ok(None));
    }

    #[test]
    fn what_is_scaled_takes_a_viewport() {
        let e = element(all(), Transform::Normal, Rect::new(0, 0, 200, 100));
        assert_eq!(placed(&e, 1).destination, Some(Size::new(200, 100)));
        assert_eq!(placed(&e, 1).source, None);
        assert_eq!(place(&e, BUFFER, SCREEN, 1, false), Err(Misfit::NoViewporter));
        // A client that counts as its host does, and a buffer of another scale.
        assert_eq!((placed(&e, 2).scale, placed(&e, 2).destination), (1, Some(Size::new(100, 50))));
        let crop = element(part(0.5, 0.25, 10.0, 10.0), Transform::Normal, Rect::new(0, 0, 20, 20));
        assert_eq!(placed(&crop, 1).source, Some(part(0.5, 0.25, 10.0, 10.0)));
    }

    #[test]
    fn what_the_protocol_cannot_say_is_not_placed() {
        let odd = element(all(), Transform::Normal, Rect::new(11, 20, 100, 50));
        assert_eq!(place(&odd, BUFFER, SCREEN, 2, true), Err(Misfit::OffGrid));
        // A third of a pixel more is cut off than can be told.
        let thirds = element(part(0.0, 0.0, 100.0, 50.0), Transform::Normal, Rect::new(-1, 0, 30, 50));
        assert_eq!(place(&thirds, BUFFER, SCREEN, 1, true), Err(Misfit::Fraction));
        let enlarged = element(all(), Transform::Normal, Rect::new(-2, 0, 200, 50));
        assert_eq!(place(&enlarged, BUFFER, SCREEN, 1, true), Err(Misfit::CutOff));
        // What is cut off in the direction in which it is not enlarged is told.
        let below = element(all(), Transform::Normal, Rect::new(0, 460, 200, 50));
        assert_eq!(placed(&below, 1).source, Some(part(0.0, 0.0, 100.0, 20.0)));
    }
}
