//! Pictures of the output: a PNG of one frame, an APNG of all of them.
//!
//! Both are written beside their name and renamed when they are whole, so nobody takes half a picture for
//! one, and what was there before stays until then. The temporary file is made at the start: a path that cannot be
//! written is known before anything has been recorded.
//!
//! Encoding a frame takes longer than drawing it, so a thread does it. It is handed what changed, at most
//! [`QUEUE`] frames ahead; a compositor that is faster waits for it, rather than lose a frame or fill the memory.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};

use png::{BlendOp, ColorType, Compression, Encoder, EncodingError};
use tempfile::NamedTempFile;

use crate::geometry::{Rect, Region, Size, extents};

/// Frames that may wait for the encoder.
pub const QUEUE: usize = 3;

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There can be no file of that name.
    #[error("cannot write {}: is its directory there, and may you write to it?", path.display())]
    Create {
        /// The file that was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed midway (a full disk); nothing is left behind.
    #[error("cannot go on writing {}", path.display())]
    Write {
        /// The file that was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The picture cannot be encoded.
    #[error("cannot encode {}", path.display())]
    Encode {
        /// The file that was to be.
        path: PathBuf,
        /// What the encoder said.
        source: EncodingError,
    },
    /// A recording can only be made in a regular file: its beginning is written last.
    #[error("cannot record into {}: it is no regular file", .0.display())]
    NotAFile(PathBuf),
    /// Nothing was shown, so there is nothing to see.
    #[error("nothing was shown, so there is no picture for {}", .0.display())]
    Empty(PathBuf),
}

/// Encodes `pixels` (XRGB8888, rows without padding) as the PNG file `path`.
///
/// # Errors
///
/// [`CaptureError`]; what was at `path` before is then still there.
pub fn write_png(path: &Path, size: Size, pixels: &[u32]) -> Result<(), CaptureError> {
    Picture::create(path)?.write(size, pixels)
}

/// A PNG file to be.
pub struct Picture(Output);

impl Picture {
    /// Makes sure that `path` can be written; nothing is there yet.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Create`].
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        Output::create(path).map(Self)
    }

    /// Writes it: XRGB8888, rows without padding.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; what was at its path before is then still there.
    pub fn write(self, size: Size, pixels: &[u32]) -> Result<(), CaptureError> {
        let path = self.0.path().to_owned();
        let encode = || {
            let mut file = BufWriter::new(self.0.file());
            let mut encoder = Encoder::new(&mut file, size.w.max(0) as u32, size.h.max(0) as u32);
            encoder.set_color(ColorType::Rgb);
            encoder.set_compression(Compression::Fast);
            let mut writer = encoder.write_header()?;
            let mut bytes = Vec::new();
            to_rgb(pixels, &mut bytes);
            writer.write_image_data(&bytes)?;
            writer.finish()?;
            Ok(file.flush()?)
        };
        encode().map_err(|e| failed(&path, e))?;
        self.0.publish()
    }
}

/// Where a picture goes.
enum Output {
    /// Beside its name, until it is whole.
    Beside(NamedTempFile, PathBuf),
    /// Straight there: a device or a pipe must not be replaced by a file.
    Straight(fs::File, PathBuf),
}

impl Output {
    fn create(path: &Path) -> Result<Self, CaptureError> {
        let fail = |source| CaptureError::Create { path: path.to_owned(), source };
        // Through a symbolic link, as an ordinary write would.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let kind = fs::metadata(&real).ok().map(|m| m.file_type());
        if kind.is_some_and(|t| !t.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(&real).map_err(fail)?;
            return Ok(Self::Straight(file, real));
        }
        if real.file_name().is_none() {
            return Err(fail(io::ErrorKind::InvalidInput.into()));
        }
        let dir = real.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The umask applies, as to any file that one makes.
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
        let file =
            tempfile::Builder::new().prefix(".selkie-").suffix(".part").permissions(mode).tempfile_in(dir);
        Ok(Self::Beside(file.map_err(fail)?, real))
    }

    fn file(&self) -> &fs::File {
        match self {
            Self::Beside(file, _) => file.as_file(),
            Self::Straight(file, _) => file,
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Beside(_, path) | Self::Straight(_, path) => path,
        }
    }

    /// Gives it its name. Dropping it instead leaves nothing behind.
    fn publish(self) -> Result<(), CaptureError> {
        match self {
            Self::Beside(file, path) => match file.persist(&path) {
                Ok(_) => Ok(()),
                Err(e) => Err(CaptureError::Write { path, source: e.error }),
            },
            Self::Straight(..) => Ok(()),
        }
    }
}

fn failed(path: &Path, error: EncodingError) -> CaptureError {
    let path = path.to_owned();
    match error {
        EncodingError::IoError(source) => CaptureError::Write { path, source },
        source => CaptureError::Encode { path, source },
    }
}

fn to_rgb(pixels: &[u32], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend(pixels.iter().flat_map(|p| {
        let [_, r, g, b] = p.to_be_bytes();
        [r, g, b]
    }));
}

/// Records frames as an APNG: each one what changed since the last, for as long as it was shown.
///
/// The recording has the size of its first frame; later ones of another size are cut, or edged with black.
pub struct Recorder {
    path: PathBuf,
    state: State,
    size: Size,
    /// The size of the last frame.
    last_size: Size,
}

enum State {
    /// Nothing has been shown yet. (The thread starts with the first frame, so that it inherits
    /// the signal mask of a loop that is set up by then.)
    Waiting(Output),
    Running {
        frames: SyncSender<Frame>,
        used: Receiver<Vec<u32>>,
        thread: JoinHandle<Result<Output, CaptureError>>,
    },
    Failed,
}

struct Frame {
    at: Duration,
    rect: Rect,
    pixels: Vec<u32>,
}

impl Recorder {
    /// Begins a recording at `path`.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Create`], [`CaptureError::NotAFile`].
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let output = Output::create(path)?;
        if let Output::Straight(_, path) = output {
            return Err(CaptureError::NotAFile(path));
        }
        let (size, last_size) = Default::default();
        Ok(Self { path: output.path().to_owned(), state: State::Waiting(output), size, last_size })
    }

    /// Adds a frame that was shown `at` that time (of any clock that only goes forward).
    ///
    /// `pixels` are XRGB8888, `size.w * size.h` of them; those outside `damage` are as in the last frame.
    /// If the encoder is [`QUEUE`] frames behind, this waits for it.
    ///
    /// # Errors
    ///
    /// [`CaptureError`], once; there is no recording then, and further frames are ignored.
    pub fn push(
        &mut self,
        at: Duration,
        size: Size,
        pixels: &[u32],
        damage: &Region,
    ) -> Result<(), CaptureError> {
        let rect = if size == self.last_size {
            extents(damage).intersect(Rect::of_size(size)).intersect(Rect::of_size(self.size))
        } else {
            Rect::of_size(if self.size.is_empty() { size } else { self.size })
        };
        if rect.is_empty() || pixels.len() < size.w.max(0) as usize * size.h.max(0) as usize {
            return Ok(());
        }
        self.start(size)?;
        let State::Running { frames, used, .. } = &self.state else { return Ok(()) };
        let mut copy = used.try_recv().unwrap_or_default();
        copy.clear();
        copy.reserve(rect.w as usize * rect.h as usize);
        let shown = rect.intersect(Rect::of_size(size));
        for y in rect.y..rect.bottom() {
            let row_end = copy.len() + rect.w as usize;
            if y < shown.bottom() {
                let start = y as usize * size.w as usize + shown.x as usize;
                copy.extend_from_slice(&pixels[start..start + shown.w as usize]);
            }
            copy.resize(row_end, 0);
        }
        self.last_size = size;
        if frames.send(Frame { at, rect, pixels: copy }).is_ok() {
            return Ok(());
        }
        // It ended by itself, so it has an error to tell.
        self.join().map(drop)
    }

    fn start(&mut self, size: Size) -> Result<(), CaptureError> {
        if let State::Waiting(_) = self.state
            && let State::Waiting(output) = std::mem::replace(&mut self.state, State::Failed)
        {
            let (frames, incoming) = sync_channel(QUEUE);
            let (give_back, used) = channel();
            let path = self.path.clone();
            let thread = std::thread::Builder::new()
                .name("selkie-record".to_owned())
                .spawn(move || match encode(&output, size, &incoming, &give_back) {
                    Ok(()) => Ok(output),
                    Err(e) => Err(failed(output.path(), e)),
                })
                .map_err(|source| CaptureError::Write { path, source })?;
            self.size = size;
            self.state = State::Running { frames, used, thread };
        }
        Ok(())
    }

    /// Waits for the encoder to end.
    fn join(&mut self) -> Result<Option<Output>, CaptureError> {
        let State::Running { frames, thread, .. } = std::mem::replace(&mut self.state, State::Failed) else {
            return Ok(None);
        };
        drop(frames);
        match thread.join() {
            Ok(result) => result.map(Some),
            Err(_) => {
                let source = io::Error::other("the encoder panicked, which is a bug");
                Err(CaptureError::Write { path: self.path.clone(), source })
            }
        }
    }

    /// Ends the recording, its last frame being shown until `at`: the file is there when this returns.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; [`CaptureError::Empty`] if there was no frame. No file is left then. An error that
    /// [`Recorder::push`] has told is not told again.
    pub fn finish(mut self, at: Duration) -> Result<(), CaptureError> {
        if let State::Waiting(_) = self.state {
            return Err(CaptureError::Empty(std::mem::take(&mut self.path)));
        }
        if let State::Running { frames, .. } = &self.state {
            // Should it be gone, joining it tells why.
            let _ = frames.send(Frame { at, rect: Rect::default(), pixels: Vec::new() });
        }
        self.join()?.map_or(Ok(()), Output::publish)
    }
}

impl Drop for Recorder {
    /// Without [`Recorder::finish`] there is no recording, and nothing is left of it.
    fn drop(&mut self) {
        let _ = self.join();
    }
}

/// The beginning of the file: what an encoder writes for an animation of so many frames.
fn header<W: Write>(file: W, size: Size, frames: u32) -> Result<png::Writer<W>, EncodingError> {
    // The size comes from a frame that exists.
    let mut encoder = Encoder::new(file, size.w as u32, size.h as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_compression(Compression::Fast);
    encoder.set_animated(frames, 0)?;
    encoder.set_blend_op(BlendOp::Source)?;
    encoder.write_header()
}

/// Bytes of the signature, IHDR and acTL: what [`header`] writes.
const HEADER: usize = 8 + (12 + 13) + (12 + 8);

fn encode(
    output: &Output,
    size: Size,
    incoming: &Receiver<Frame>,
    used: &Sender<Vec<u32>>,
) -> Result<(), EncodingError> {
    let mut file = BufWriter::with_capacity(1 << 16, output.file());
    // How many frames there will be is known at the end; the count is written again then.
    let mut writer = header(&mut file, size, u32::MAX)?;
    let (mut count, mut bytes) = (0, Vec::new());
    let mut pending: Option<Frame> = None;
    while let Ok(next) = incoming.recv() {
        // How long a frame is shown is known when the next one comes. Times are rounded, not
        // their differences, so that errors do not add up.
        if let Some(frame) = pending.take() {
            let shown_ms = next.at.as_millis().saturating_sub(frame.at.as_millis());
            let (numerator, denominator) = delay(shown_ms);
            writer.set_frame_delay(numerator, denominator)?;
            // The order matters to the encoder: within the picture at each step.
            writer.reset_frame_position()?;
            writer.set_frame_dimension(frame.rect.w as u32, frame.rect.h as u32)?;
            writer.set_frame_position(frame.rect.x as u32, frame.rect.y as u32)?;
            to_rgb(&frame.pixels, &mut bytes);
            writer.write_image_data(&bytes)?;
            count += 1;
            // Nobody may be there any more to use it again.
            let _ = used.send(frame.pixels);
        }
        pending = (!next.rect.is_empty()).then_some(next);
    }
    writer.finish()?;
    let mut start = Vec::with_capacity(HEADER + 12);
    drop(header(&mut start, size, count)?);
    start.truncate(HEADER);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&start)?;
    Ok(file.flush()?)
}

/// A time in milliseconds as APNG has it, as finely as fits into 16 bits.
fn delay(ms: u128) -> (u16, u16) {
    for (per_second, divisor) in [(1000, 1), (100, 10), (10, 100), (1, 1000)] {
        if let Ok(n) = u16::try_from(ms / divisor) {
            return (n, per_second);
        }
    }
    (u16::MAX, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn leftovers(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Plays a file: size, and each frame's canvas with its delay in milliseconds.
    fn play(path: &Path) -> (Size, Vec<(Vec<u32>, u32)>) {
        let mut reader =
            png::Decoder::new(io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
        let (w, h) = (reader.info().width as usize, reader.info().height as usize);
        let count = reader.info().animation_control.map_or(1, |a| a.num_frames);
        let mut canvas = vec![0; w * h];
        let mut frames = Vec::new();
        for _ in 0..count {
            let mut bytes = vec![0; w * h * 3];
            reader.next_frame(&mut bytes).unwrap();
            let control = reader.info().frame_control;
            let (x, y, fw, d) = control.map_or((0, 0, w, 0), |c| {
                let delay = u32::from(c.delay_num) * 1000 / u32::from(c.delay_den);
                (c.x_offset as usize, c.y_offset as usize, c.width as usize, delay)
            });
            let fh = control.map_or(h, |c| c.height as usize);
            for (i, p) in bytes[..fw * fh * 3].chunks_exact(3).enumerate() {
                canvas[(y + i / fw) * w + x + i % fw] = u32::from_be_bytes([0, p[0], p[1], p[2]]);
            }
            frames.push((canvas.clone(), d));
        }
        assert!(reader.next_frame(&mut vec![0; w * h * 3]).is_err(), "more frames than announced");
        (Size::new(w as i32, h as i32), frames)
    }

    #[test]
    fn a_png_holds_the_pixels_and_ignores_their_fourth_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        write_png(&path, Size::new(2, 2), &[0xff01_0203, 0x0004_0506, 0x1207_0809, 0xffff_ffff]).unwrap();
        let (size, frames) = play(&path);
        assert_eq!(size, Size::new(2, 2));
        assert_eq!(frames, [(vec![0x01_0203, 0x04_0506, 0x07_0809, 0xff_ffff], 0)]);
        assert_eq!(leftovers(dir.path()), ["a.png"]);
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::mode(
            &fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o600, 0o600);
    }

    #[test]
    fn a_failed_picture_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        fs::write(&path, "before").unwrap();
        let error = write_png(&path, Size::new(3, 3), &[0; 4]).unwrap_err();
        assert!(matches!(error, CaptureError::Encode { .. }), "{error:?}");
        assert!(matches!(write_png(&path, Size::default(), &[]), Err(CaptureError::Encode { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(leftovers(dir.path()), ["a.png"]);
    }

    #[test]
    fn paths_that_cannot_be_written_are_known_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/a.png");
        let error = Recorder::create(&missing).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("cannot write {}: is its directory there, and may you write to it?", missing.display())
        );
        assert!(matches!(Picture::create(dir.path()), Err(CaptureError::Create { .. })));
        assert!(matches!(Picture::create(Path::new("/")), Err(CaptureError::Create { .. })));
        assert!(matches!(Recorder::create(Path::new("/dev/null")), Err(CaptureError::NotAFile(_))));
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        write_png(Path::new("/dev/null"), Size::new(1, 1), &[0]).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // A full disk: the first write fails.
        let error = write_png(Path::new("/dev/full"), Size::new(1, 1), &[0]).unwrap_err();
        let CaptureError::Write { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_recording_shows_each_frame_as_long_as_it_was_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.apng");
        let size = Size::new(4, 3);
        let mut recorder = Recorder::create(&path).unwrap();
        let mut picture = vec![0x11_1111; 12];
        let all = Rect::of_size(size).to_region();
        recorder.push(ms(1000), size, &picture, &all).unwrap();
        assert!(!path.exists());
        picture[6] = 0xff_0000;
        let first = picture.clone();
        recorder.push(ms(1016), size, &picture, &Rect::new(2, 1, 1, 1).to_region()).unwrap();
        recorder.push(ms(1020), size, &picture, &Region::default()).unwrap();
        picture[0] = 0xff;
        picture[11] = 0xff00;
        let corners = Rect::new(0, 0, 1, 1).to_region().union_rect(3, 2, 9, 9);
        recorder.push(ms(101_016), size, &picture, &corners).unwrap();
        recorder.finish(ms(101_066)).unwrap();
        let (shown, frames) = play(&path);
        assert_eq!(shown, size);
        assert_eq!(frames, [(vec![0x11_1111; 12], 16), (first, 100_000), (picture, 50)]);
        assert_eq!(leftovers(dir.path()), ["a.apng"]);
    }

    #[test]
    fn frames_of_another_size_are_cut_or_edged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.apng");
        let mut recorder = Recorder::create(&path).unwrap();
        for (i, (w, h)) in [(2, 2), (1, 3), (3, 1)].into_iter().enumerate() {
            let size = Size::new(w, h);
            let picture = vec![i as u32 + 1; (w * h) as usize];
            recorder.push(ms(i as u64), size, &picture, &Region::default()).unwrap();
        }
        recorder.finish(ms(3)).unwrap();
        let pictures: Vec<_> = play(&path).1.into_iter().map(|f| f.0).collect();
        assert_eq!(pictures, [[1, 1, 1, 1], [2, 0, 2, 0], [3, 3, 0, 0]]);
    }

    #[test]
    fn more_frames_than_the_queue_holds_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.apng");
        let mut recorder = Recorder::create(&path).unwrap();
        let size = Size::new(64, 64);
        let all = Rect::of_size(size).to_region();
        for i in 0..100 {
            recorder.push(ms(i), size, &vec![i as u32; 64 * 64], &all).unwrap();
        }
        recorder.finish(ms(100)).unwrap();
        let frames = play(&path).1;
        assert_eq!(frames.iter().map(|f| f.0[0]).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_recording_without_frames_or_without_an_end_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.apng");
        let error = Recorder::create(&path).unwrap().finish(ms(0)).unwrap_err();
        assert!(matches!(error, CaptureError::Empty(_)));
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.push(ms(0), Size::new(1, 1), &[0], &Region::default()).unwrap();
        drop(recorder);
        assert!(leftovers(dir.path()).is_empty());
    }

    #[test]
    fn a_full_disk_is_told_once_and_ends_the_recording() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Output::Straight(full, "full.apng".into());
        let (size, last_size) = Default::default();
        let mut recorder =
            Recorder { path: "full.apng".into(), state: State::Waiting(output), size, last_size };
        // The first frames still wait in buffers.
        let noise: Vec<u32> = (0..256 * 256u32).map(|i| i.wrapping_mul(0x9e37_79b1)).collect();
        let all = Rect::new(0, 0, 256, 256).to_region();
        let error =
            (0..).find_map(|i| recorder.push(ms(i), Size::new(256, 256), &noise, &all).err()).unwrap();
        let CaptureError::Write { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        recorder.push(ms(0), Size::new(256, 256), &noise, &all).unwrap();
        recorder.finish(ms(0)).unwrap();
    }

    #[test]
    fn delays_are_as_fine_as_fits() {
        assert_eq!(delay(0), (0, 1000));
        assert_eq!(delay(65_535), (65_535, 1000));
        assert_eq!(delay(65_536), (6_553, 100));
        assert_eq!(delay(1_000_000), (10_000, 10));
        assert_eq!(delay(u128::MAX), (u16::MAX, 1));
    }
}
