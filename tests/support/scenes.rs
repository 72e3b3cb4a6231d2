//! What is shown and compared, the same headless and nested: each scene turns one thing that a compositor
//! has to get right.

use selkie_client::{Config, Format, Pattern, Scene, Size, Subsurface, Transform};

/// One picture to be shown.
pub struct Case {
    /// Its name, for the pictures of a failure.
    pub name: String,
    /// The client.
    pub config: Config,
    /// The frame that each layer has to show in the end: the main surface, then the subsurfaces.
    pub frames: Vec<u32>,
    /// How far a channel may be off. 0 where no picture is scaled.
    pub tolerance: u8,
}

/// A scaled picture: pixman interpolates with weights cut off to 7 bits, so each of the two steps may be off by
/// 255/128; rounding adds another one.
pub const SCALED: u8 = 5;

impl Case {
    /// The number of the last frame that the client is told was presented.
    pub fn last_frame(&self) -> u32 {
        let frames = self.config.frames.unwrap();
        self.config.scene.freeze_main_after.map_or(frames, |main| main.min(frames)) as u32 - 1
    }
}

fn config(pattern: Pattern, size: Size, scene: Scene) -> Config {
    // As many frames as show each buffer once, and the first one again.
    Config { pattern, size, scene, frames: Some(4), buffers: 3, ..Config::default() }
}

fn case(name: impl Into<String>, config: Config) -> Case {
    let frames = vec![config.frames.unwrap() as u32 - 1];
    Case { name: name.into(), config, frames, tolerance: 0 }
}

fn sub(position: (i32, i32), size: Size, pattern: Pattern) -> Subsurface {
    Subsurface { position, size, pattern, format: Format::Xrgb8888, alpha: false, sync: true, below: false }
}

/// Every pattern, at sizes that divide by nothing.
pub fn sizes() -> Vec<Case> {
    let sizes = [(1, 1), (2, 1), (1, 3), (3, 2), (17, 5), (127, 131), (128, 128), (255, 129), (641, 479)];
    let cases = sizes.into_iter().zip(Pattern::ALL.into_iter().cycle()).map(|((w, h), pattern)| {
        case(format!("size-{w}x{h}"), config(pattern, Size::new(w, h), Scene::default()))
    });
    cases.collect()
}

/// Every format, opaque and (where it can be) fading over the background; the unused bits of the others
/// are zero.
pub fn formats() -> Vec<Case> {
    let size = Size::new(133, 141);
    let cases = Format::PACKED.into_iter().flat_map(|format| {
        // A pattern with more than 8 bits where there is room for them.
        let plain = Config { format, ..config(Pattern::Gradient, size, Scene::default()) };
        let changed = match format.has_alpha() {
            true => Config { alpha: true, ..plain.clone() },
            false => Config { scene: Scene { clear_unused: true, ..Scene::default() }, ..plain.clone() },
        };
        let name = if format.has_alpha() { "blended" } else { "cleared" };
        let changed = case(format!("format-{format}-{name}"), changed);
        // The reference cuts 10 bits to 8 before it blends, pixman afterwards.
        let tolerance = u8::from(format.has_alpha() && format.name().ends_with("2101010"));
        [case(format!("format-{format}"), plain), Case { tolerance, ..changed }]
    });
    cases.collect()
}

/// Rows that are longer than they need be, and buffers that do not start at a page.
pub fn layouts() -> Vec<Case> {
    let layouts = [(0, 4), (4, 0), (60, 68), (252, 4092), (4096, 4100), (8, 65_548)];
    let cases = layouts.into_iter().flat_map(|(stride_padding, offset)| {
        let scene = Scene { stride_padding, offset, ..Scene::default() };
        let size = Size::new(131, 129);
        let wide = config(Pattern::Plasma, size, scene.clone());
        let narrow = Config { format: Format::Rgb565, ..wide.clone() };
        let alpha = Config { format: Format::Argb8888, alpha: true, ..wide.clone() };
        [(wide, "xrgb8888"), (narrow, "rgb565"), (alpha, "argb8888")]
            .map(|(config, format)| case(format!("layout-{stride_padding}-{offset}-{format}"), config))
    });
    cases.collect()
}

/// All eight transforms, with a picture that is the same under none of them.
pub fn transforms() -> Vec<Case> {
    let cases = Transform::ALL.into_iter().flat_map(|transform| {
        let scene = Scene { transform, ..Scene::default() };
        let opaque = config(Pattern::Bars, Size::new(187, 143), scene);
        let alpha = Config { format: Format::Abgr8888, alpha: true, ..opaque.clone() };
        let narrow = Config { format: Format::Bgr565, ..opaque.clone() };
        [(opaque, "xrgb8888"), (alpha, "abgr8888"), (narrow, "bgr565")]
            .map(|(config, format)| case(format!("transform-{}-{format}", transform.name()), config))
    });
    cases.collect()
}

/// Crops, with and without scaling, alone and together with transforms and buffer scales.
pub fn viewports() -> Vec<Case> {
    let size = Size::new(240, 180);
    let view = |source, to: Option<(u32, u32)>, transform, scale| {
        let viewport_destination = to.map(|(w, h)| Size::new(w, h));
        let scene =
            Scene { viewport_source: source, viewport_destination, transform, scale, ..Scene::default() };
        config(Pattern::ZonePlate, size, scene)
    };
    let exact = |name: &str, config| case(format!("viewport-{name}"), config);
    let scaled = |name: &str, config| Case { tolerance: SCALED, ..exact(name, config) };
    use Transform::*;
    let part = Some((16.0, 21.0, 101.0, 53.0));
    vec![
        exact("crop", view(part, None, Normal, 1)),
        exact("crop-to-itself", view(part, Some((101, 53)), Normal, 1)),
        exact("crop-turned", view(Some((3.0, 7.0, 99.0, 77.0)), None, Rotate90, 1)),
        exact("crop-flipped", view(Some((3.0, 7.0, 99.0, 77.0)), None, Flipped270, 1)),
        exact("one-pixel", view(Some((239.0, 179.0, 1.0, 1.0)), None, Normal, 1)),
        // A picture of a whole multiple of pixels is crisp only where it is not scaled.
        exact("scale-taken-back", view(None, Some((480, 360)), Normal, 2)),
        exact("crop-scale-taken-back", view(Some((10.0, 20.0, 50.0, 40.0)), Some((100, 80)), Normal, 2)),
        exact("crop-scale-turned-back", view(Some((10.5, 20.0, 50.0, 40.5)), Some((100, 81)), Rotate270, 2)),
        scaled("larger", view(None, Some((401, 333)), Normal, 1)),
        scaled("smaller", view(None, Some((151, 97)), Normal, 1)),
        scaled("crop-larger", view(part, Some((300, 211)), Normal, 1)),
        scaled("crop-fraction", view(Some((16.25, 21.5, 101.75, 53.125)), Some((250, 130)), Normal, 1)),
        scaled("crop-larger-turned", view(Some((5.0, 9.0, 91.0, 83.0)), Some((200, 260)), Flipped90, 1)),
        scaled("crop-smaller-scale-3", view(part, Some((160, 99)), Rotate180, 3)),
        scaled("pixel-spread", view(Some((120.0, 90.0, 1.0, 1.0)), Some((64, 48)), Normal, 1)),
    ]
}

/// Buffers of twice (or three times) the surface's size.
pub fn scales() -> Vec<Case> {
    let cases = [(2, Transform::Normal), (2, Transform::Rotate90), (3, Transform::Flipped180)];
    let cases = cases.into_iter().map(|(scale, transform)| {
        let scene = Scene { scale, transform, ..Scene::default() };
        let name = format!("scale-{scale}-{}", transform.name());
        Case { tolerance: SCALED, ..case(name, config(Pattern::Plasma, Size::new(201, 150), scene)) }
    });
    cases.collect()
}

/// Subsurfaces: synchronised and not, over and under, within and beyond, translucent.
pub fn subsurfaces() -> Vec<Case> {
    let (main, small) = (Size::new(320, 280), Size::new(140, 130));
    let with = |name: &str, alpha: bool, subsurfaces: Vec<Subsurface>| {
        let scene = Scene { subsurfaces, ..Scene::default() };
        let format = if alpha { Format::Argb8888 } else { Format::Xrgb8888 };
        let config = Config { alpha, format, ..config(Pattern::Bars, main, scene) };
        case(format!("subsurface-{name}"), config)
    };
    let plasma = |x, y| sub((x, y), small, Pattern::Plasma);
    let zone = |x, y| sub((x, y), Size::new(151, 133), Pattern::ZonePlate);
    let desync = |s| Subsurface { sync: false, ..s };
    let below = |s| Subsurface { below: true, ..s };
    let fading = |s| Subsurface { format: Format::Argb8888, alpha: true, ..s };
    let mut cases = vec![
        with("sync", false, vec![plasma(10, 140), zone(160, 10)]),
        with("desync", false, vec![desync(plasma(10, 140)), desync(zone(160, 10))]),
        with("overlapping", false, vec![plasma(20, 70), zone(90, 110), desync(plasma(130, 30))]),
        with("outside", false, vec![plasma(-70, -60), zone(250, 200)]),
        with("below", true, vec![below(plasma(170, 100)), below(desync(zone(200, -40)))]),
        with("below-and-above", true, vec![below(plasma(150, 140)), zone(-20, 130)]),
        with("fading", false, vec![fading(plasma(30, 120)), fading(zone(100, 60))]),
        with("hidden-below", false, vec![below(plasma(50, 50))]),
        with("narrow", false, vec![Subsurface { format: Format::Rgb565, ..zone(7, 9) }]),
    ];
    // The main surface stops after two frames: a synchronised subsurface stops with it.
    for (name, sync) in [("waits", true), ("goes-on", false)] {
        let mut case = with(name, false, vec![Subsurface { sync, ..plasma(20, 140) }]);
        case.config.scene.freeze_main_after = Some(2);
        case.config.frames = Some(6);
        // A synchronised one gets no buffer back.
        case.config.buffers = 8;
        case.frames = vec![1, if sync { 1 } else { 5 }];
        cases.push(case);
    }
    cases
}

/// One of each kind, for hosts where each picture takes longer.
pub fn selection() -> Vec<Case> {
    let names = [
        "size-1x1",
        "size-127x131",
        "size-641x479",
        "format-argb8888-blended",
        "format-rgb565",
        "format-xrgb2101010",
        "layout-60-68-xrgb8888",
        "layout-252-4092-argb8888",
        "viewport-crop",
        "viewport-larger",
        "viewport-crop-smaller-scale-3",
        "scale-2-normal",
        "subsurface-sync",
        "subsurface-desync",
        "subsurface-outside",
        "subsurface-below",
        "subsurface-fading",
        "subsurface-waits",
        "subsurface-goes-on",
    ];
    let groups = [sizes(), formats(), layouts(), transforms(), viewports(), scales(), subsurfaces()];
    let wanted =
        |name: &str| names.contains(&name) || (name.starts_with("transform-") && name.ends_with("-xrgb8888"));
    let cases: Vec<Case> = groups.into_iter().flatten().filter(|case| wanted(&case.name)).collect();
    assert_eq!(cases.len(), names.len() + 8);
    cases
}
