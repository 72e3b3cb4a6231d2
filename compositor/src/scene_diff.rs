//! What differs between one scene and the next.
//!
//! Everything that can change the picture (a window that moved, a surface that is gone, a new order)
//! shows in the scene itself, so comparing two scenes finds it; nobody has to remember to report it.

use crate::geometry::{Rect, RectF, Region, Size, Transform};
use crate::scene::{Color, Element, ElementId, Scene};
use crate::surface::Damage;

/// The last scene, as far as it matters for the next one.
#[derive(Default)]
pub(crate) struct SceneMemory {
    size: Size,
    background: Color,
    seen: Vec<Seen>,
    /// The list before, kept for its memory.
    before: Vec<Seen>,
}

#[derive(Clone, Copy, PartialEq)]
struct Seen {
    id: ElementId,
    dest: Rect,
    source: RectF,
    transform: Transform,
}

impl SceneMemory {
    /// Takes `scene` in; returns where it differs from the one before, in pixels of the output.
    pub fn update(&mut self, scene: &Scene) -> Region {
        self.update_part(scene, &scene.elements)
    }

    /// As [`SceneMemory::update`], for a picture that shows `elements` of `scene` and no others.
    pub fn update_part(&mut self, scene: &Scene, elements: &[Element]) -> Region {
        std::mem::swap(&mut self.seen, &mut self.before);
        self.seen.clear();
        self.seen.extend(elements.iter().map(|e| Seen {
            id: e.id,
            dest: e.dest,
            source: e.source,
            transform: e.transform,
        }));
        let screen = Rect::of_size(scene.size);
        if (self.size, self.background) != (scene.size, scene.background) {
            (self.size, self.background) = (scene.size, scene.background);
            return screen.to_region();
        }
        let mut damage = Damage::default();
        let same_order = self.before.len() == self.seen.len()
            && self.before.iter().zip(&self.seen).all(|(a, b)| a.id == b.id);
        for (i, now) in self.seen.iter().enumerate() {
            let then = match same_order {
                true => self.before.get(i),
                false => self.before.iter().find(|b| b.id == now.id),
            };
            match then {
                Some(then) if then == now => damage.merge_region(&elements[i].damage(scene.scale)),
                Some(then) => {
                    damage.add(then.dest.intersect(screen));
                    damage.add(now.dest.intersect(screen));
                }
                None => damage.add(now.dest.intersect(screen)),
            }
        }
        if !same_order {
            self.add_departed_and_restacked(&mut damage, screen);
        }
        damage.region().intersect(&screen.to_region())
    }

    /// Forgets the last scene: the next one differs from it everywhere.
    pub fn forget(&mut self) {
        self.size = Size::default();
    }

    fn add_departed_and_restacked(&self, damage: &mut Damage, screen: Rect) {
        let stayed = |list: &[Seen], other: &[Seen]| -> Vec<Seen> {
            list.iter().filter(|s| other.iter().any(|o| o.id == s.id)).copied().collect()
        };
        for gone in self.before.iter().filter(|b| !self.seen.iter().any(|s| s.id == b.id)) {
            damage.add(gone.dest.intersect(screen));
        }
        let (then, now) = (stayed(&self.before, &self.seen), stayed(&self.seen, &self.before));
        for (a, b) in then.iter().zip(&now).filter(|(a, b)| a.id != b.id) {
            damage.add(a.dest.intersect(screen));
            damage.add(b.dest.intersect(screen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Content, News};

    fn scene(elements: &[(u64, Rect)]) -> Scene {
        let element = |&(id, dest): &(u64, Rect)| Element {
            id: ElementId::Surface(id),
            content: Content::Solid(Color::default()),
            source: RectF { x: 0.0, y: 0.0, w: 1.0, h: 1.0 },
            transform: Transform::Normal,
            dest,
            opaque: Region::default(),
            news: News::default(),
        };
        let elements = elements.iter().map(element).collect();
        Scene { scale: 1, size: Size::new(100, 100), background: Color::default(), elements, covered: false }
    }

    /// Where the second scene differs from the first, nothing having changed within the elements.
    fn between(then: &[(u64, Rect)], now: &[(u64, Rect)]) -> Region {
        let mut memory = SceneMemory::default();
        memory.update(&scene(then));
        memory.update(&scene(now))
    }

    const A: Rect = Rect::new(0, 0, 10, 10);
    const B: Rect = Rect::new(5, 5, 10, 10);

    #[test]
    fn the_first_scene_differs_everywhere() {
        let mut memory = SceneMemory::default();
        let all = Rect::new(0, 0, 100, 100).to_region();
        assert!(memory.update(&scene(&[])) == all);
        memory.forget();
        assert!(memory.update(&scene(&[])) == all);
    }

    #[test]
    fn nothing_differs_if_nothing_does() {
        assert!(!between(&[(1, A), (2, B)], &[(1, A), (2, B)]).is_non_empty());
    }

    #[test]
    fn what_moves_differs_at_both_places() {
        let there = Rect::new(50, 50, 10, 10);
        assert!(between(&[(1, A)], &[(1, there)]) == A.to_region().union(&there.to_region()));
    }

    #[test]
    fn what_comes_and_what_goes_differs() {
        assert!(between(&[(1, A)], &[(1, A), (2, B)]) == B.to_region());
        assert!(between(&[(1, A), (2, B)], &[(2, B)]) == A.to_region());
    }

    #[test]
    fn a_new_order_differs() {
        let both = A.to_region().union(&B.to_region());
        assert!(between(&[(1, A), (2, B)], &[(2, B), (1, A)]) == both);
    }

    #[test]
    fn changes_within_are_asked_for_and_kept_on_the_screen() {
        let mut memory = SceneMemory::default();
        let mut half_out = scene(&[(1, Rect::new(95, 0, 10, 10))]);
        memory.update(&half_out);
        half_out.elements[0].news.damage = Rect::new(0, 0, 10, 10).to_region();
        let damage = memory.update(&half_out);
        assert!(damage == Rect::new(95, 0, 5, 10).to_region());
    }
}
