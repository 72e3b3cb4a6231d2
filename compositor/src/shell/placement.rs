//! Where new windows go. The same windows in the same order always go to the same places.

use crate::geometry::{Point, Rect, Size};

/// More windows than this are not looked at: the cost of finding a place grows with their cube.
const CONSIDERED: usize = 24;

/// Where something of `size` is in the middle of `outer`; if it is larger, at its top left corner.
pub(crate) fn centred(outer: Rect, size: Size) -> Point {
    let middle =
        |start: i32, outer: i32, inner: i32| start.saturating_add((outer.saturating_sub(inner) / 2).max(0));
    Point::new(middle(outer.x, outer.w, size.w), middle(outer.y, outer.h, size.h))
}

/// The cell of that index in a grid over `output`, row by row. The last column and row take what
/// does not divide.
pub(crate) fn cell(index: usize, columns: u32, rows: u32, output: Size) -> Rect {
    let (columns, rows) = (i64::from(columns.clamp(1, 1 << 15)), i64::from(rows.clamp(1, 1 << 15)));
    let index = i64::try_from(index).unwrap_or(0) % (columns * rows);
    // Quotients of an i32 by more than they count: they fit.
    let edge = |i: i64, n: i64, len: i32| (i * i64::from(len) / n) as i32;
    let (column, row) = (index % columns, index / columns);
    let (x, y) = (edge(column, columns, output.w), edge(row, rows, output.h));
    let (right, bottom) = (edge(column + 1, columns, output.w), edge(row + 1, rows, output.h));
    Rect::new(x, y, right - x, bottom - y)
}

/// The first of `cells` cells that the fewest windows are in; `taken` are the cells of all windows.
pub(crate) fn emptiest_cell(taken: &[usize], cells: usize) -> usize {
    // There is always an empty one among as many as there are windows, and one more.
    let mut count = vec![0_u32; cells.clamp(1, taken.len() + 1)];
    for cell in taken {
        if let Some(n) = count.get_mut(*cell) {
            *n += 1;
        }
    }
    count.iter().enumerate().min_by_key(|(_, n)| **n).map_or(0, |(i, _)| i)
}

/// Where a window of `size` covers the least of `others` (bottom first), all of it on the output if
/// it fits there. Of equally good places, the one nearest to the middle, then the topmost.
pub(crate) fn least_covering(size: Size, output: Size, others: &[Rect]) -> Point {
    let middle = centred(Rect::of_size(output), size);
    let others = &others[others.len().saturating_sub(CONSIDERED)..];
    let last = (output.w.saturating_sub(size.w).max(0), output.h.saturating_sub(size.h).max(0));
    // The best place touches an edge of something on each axis, or is in the middle.
    let mut xs = vec![middle.x, 0, last.0];
    let mut ys = vec![middle.y, 0, last.1];
    for r in others {
        xs.extend([r.right(), r.x.saturating_sub(size.w)].iter().filter(|x| (0..=last.0).contains(x)));
        ys.extend([r.bottom(), r.y.saturating_sub(size.h)].iter().filter(|y| (0..=last.1).contains(y)));
    }
    let cost = |at: Point| {
        let window = Rect::at(at, size);
        let covered: i64 = others
            .iter()
            .map(|o| o.intersect(window))
            .map(|r| i64::from(r.w) * i64::from(r.h))
            .fold(0, i64::saturating_add);
        let distance = i64::from(at.x.abs_diff(middle.x)) + i64::from(at.y.abs_diff(middle.y));
        (covered, distance, at.y, at.x)
    };
    xs.iter().flat_map(|x| ys.iter().map(|y| Point::new(*x, *y))).min_by_key(|at| cost(*at)).unwrap_or(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: Size = Size::new(300, 200);

    #[test]
    fn the_first_window_is_in_the_middle() {
        assert_eq!(least_covering(Size::new(100, 100), OUTPUT, &[]), Point::new(100, 50));
    }

    #[test]
    fn later_ones_go_where_there_is_room() {
        let first = Rect::new(100, 50, 100, 100);
        let size = Size::new(100, 100);
        let second = least_covering(size, OUTPUT, &[first]);
        // Left and right are equally near; the smaller x decides.
        assert_eq!(second, Point::new(0, 50));
        let third = least_covering(size, OUTPUT, &[first, Rect::at(second, size)]);
        assert_eq!(third, Point::new(200, 50));
    }

    #[test]
    fn what_fits_nowhere_covers_least() {
        let first = Rect::new(0, 0, 200, 200);
        assert_eq!(least_covering(Size::new(150, 200), OUTPUT, &[first]), Point::new(150, 0));
        assert_eq!(least_covering(Size::new(900, 900), OUTPUT, &[first]), Point::new(0, 0));
    }

    #[test]
    fn windows_at_the_end_of_the_world_do_not_wrap() {
        let far = Rect::new(i32::MAX, i32::MIN, i32::MAX, i32::MAX);
        least_covering(Size::new(i32::MAX, i32::MAX), OUTPUT, &[far; 100]);
        centred(Rect::new(i32::MAX, i32::MIN, i32::MAX, 0), Size::new(-1, i32::MAX));
    }

    #[test]
    fn cells_cover_the_output_without_gaps() {
        let cells: Vec<Rect> = (0..6).map(|i| cell(i, 3, 2, Size::new(100, 101))).collect();
        assert_eq!(cells[0], Rect::new(0, 0, 33, 50));
        assert_eq!(cells[2], Rect::new(66, 0, 34, 50));
        assert_eq!(cells[5], Rect::new(66, 50, 34, 51));
        let area: i32 = cells.iter().map(|c| c.w * c.h).sum();
        assert_eq!(area, 100 * 101);
        assert_eq!(cell(7, 3, 2, Size::new(100, 101)), cells[1]);
        assert_eq!(cell(0, 0, 0, OUTPUT), Rect::of_size(OUTPUT));
    }

    #[test]
    fn freed_cells_are_used_again() {
        assert_eq!(emptiest_cell(&[], 4), 0);
        assert_eq!(emptiest_cell(&[0, 1], 4), 2);
        assert_eq!(emptiest_cell(&[0, 2, 3], 4), 1);
        assert_eq!(emptiest_cell(&[0, 1, 2, 3], 4), 0);
        assert_eq!(emptiest_cell(&[0, 1, 2, 3, 0], 4), 1);
        assert_eq!(emptiest_cell(&[5], usize::MAX), 0);
    }
}
