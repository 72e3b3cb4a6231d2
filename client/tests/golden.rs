//! The patterns as pictures in `assets/patterns`: what they looked like when somebody last looked.
//!
//! `SELKIE_BLESS=1 cargo test -p selkie-client --test golden` draws them anew.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use selkie_client::{Format, Pattern, Picture, Size};

const SIZE: Size = Size::new(320, 200);
const FRAMES: [u32; 2] = [0, 7];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/patterns").join(format!("{name}.png"))
}

/// Bytes of `RGB` or `RGBA` of premultiplied `0xAARRGGBB`. Alpha is kept premultiplied: what is compared are the
/// bytes that a compositor gets.
fn bytes(pixels: &[u32], alpha: bool) -> Vec<u8> {
    pixels
        .iter()
        .flat_map(|p| {
            let [b, g, r, a] = p.to_le_bytes();
            [r, g, b, a].into_iter().take(if alpha { 4 } else { 3 })
        })
        .collect()
}

fn write(path: &Path, bytes: &[u8], alpha: bool) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, SIZE.width, SIZE.height);
    encoder.set_color(if alpha { png::ColorType::Rgba } else { png::ColorType::Rgb });
    encoder.set_compression(png::Compression::High);
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
}

fn read(path: &Path) -> Vec<u8> {
    let file =
        File::open(path).unwrap_or_else(|e| panic!("{}: {e}; SELKIE_BLESS=1 makes it", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (SIZE.width, SIZE.height));
    bytes.truncate(info.buffer_size());
    bytes
}

fn check(name: &str, picture: Picture, frame: u32) {
    let alpha = picture.format.has_alpha();
    let drawn = bytes(&picture.shown(frame), alpha);
    if std::env::var_os("SELKIE_BLESS").is_some() {
        write(&path(name), &drawn, alpha);
    }
    let golden = read(&path(name));
    let wrong = golden.iter().zip(&drawn).filter(|(a, b)| a != b).count();
    assert!(wrong == 0 && golden.len() == drawn.len(), "{name}: {wrong} bytes differ");
}

#[test]
fn the_patterns_look_as_they_always_did() {
    for pattern in Pattern::ALL {
        let picture = Picture { pattern, size: SIZE, format: Format::Xrgb8888, alpha: false, stamp: true };
        for frame in FRAMES {
            check(&format!("{pattern}-{frame}"), picture, frame);
        }
    }
}

#[test]
fn formats_keep_what_they_can() {
    let formats = [Format::Argb8888, Format::Argb2101010, Format::Rgb565];
    for format in formats {
        let picture = Picture { pattern: Pattern::Gradient, size: SIZE, format, alpha: true, stamp: true };
        check(&format!("gradient-{format}"), picture, 0);
    }
}
