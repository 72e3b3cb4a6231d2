//! The results as a picture: SVG, so that no fonts are needed to make it.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Size;
use super::report::{Line, Report, count, time};
use super::transport::Transport;

/// In pixels; two charts above each other.
const EXTENT: (u32, u32) = (960, 1120);
/// The width of what is beside the charts, in pixels.
const LEGEND: i32 = 190;

/// A picture of latency and throughput by size, a line for each transport, as the text of an SVG file.
///
/// # Errors
///
/// [`PlotError`], if the library cannot draw it.
pub fn plot(report: &Report) -> Result<String, PlotError> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|source| PlotError { source })?;
    Ok(text)
}

/// The picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot")]
pub struct PlotError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

type Drawn = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn draw(report: &Report, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, EXTENT).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(EXTENT.1 / 2);
    let latency = |line: &Line| line.latency.p50_ns.median;
    chart(&upper, report, "one way (p50)", latency, &|ns| time(*ns))?;
    let rate = |line: &Line| line.throughput.messages_per_second.median;
    chart(&lower, report, "messages per second", rate, &|rate| count(*rate).trim_end().to_owned())?;
    root.present()?;
    drop((upper, lower, root));
    Ok(())
}

/// One chart; both axes are logarithmic.
fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    report: &Report,
    title: &str,
    value: impl Fn(&Line) -> f64,
    write: &dyn Fn(&f64) -> String,
) -> Drawn {
    // A logarithm needs something above 0.
    let point = |line: &Line| (bytes(line.size), value(line).max(1e-9));
    let sizes = around(report.results.iter().map(|line| point(line).0), 1.5);
    let values = around(report.results.iter().map(|line| point(line).1), 2.0);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{title}, by size of the message"), ("sans-serif", 22))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(sizes.log_scale().base(4.0), values.log_scale())?;
    chart
        .configure_mesh()
        .x_label_formatter(&|bytes| size_name(*bytes))
        .y_label_formatter(&write)
        .label_style(("sans-serif", 15))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let mut transports: Vec<Transport> = report.results.iter().map(|line| line.transport).collect();
    transports.sort_unstable();
    transports.dedup();
    for (&transport, row) in transports.iter().zip(0..) {
        let of_it = report.results.iter().filter(|line| line.transport == transport);
        let mut points: Vec<(f64, f64)> = of_it.map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let color = color(transport);
        // What is handed over has hollow points.
        let inside = if transport.copies() { color } else { WHITE };
        chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, inside.filled())))?;
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, color.stroke_width(2))))?;
        let (x, y) = (EXTENT.0.cast_signed() - LEGEND + 16, 64 + 24 * row);
        area.draw(&PathElement::new([(x, y), (x + 24, y)], color.stroke_width(2)))?;
        area.draw(&Circle::new((x + 12, y), 4, inside.filled()))?;
        area.draw(&Circle::new((x + 12, y), 4, color.stroke_width(2)))?;
        let style = TextStyle::from(("sans-serif", 16)).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(transport.name(), (x + 32, y), style))?;
    }
    Ok(())
}

/// From the least to the greatest, with some room at both ends.
fn around(values: impl Iterator<Item = f64>, room: f64) -> Range<f64> {
    let (least, greatest) = values.fold((f64::MAX, 0.0_f64), |(a, b), value| (a.min(value), b.max(value)));
    // Of no values at all there is nothing to draw, but the axes.
    if least > greatest { 1.0..10.0 } else { least / room..greatest * room }
}

#[expect(clippy::cast_precision_loss, reason = "at most 256 MiB")]
fn bytes(size: Size) -> f64 {
    size.bytes() as f64
}

/// What is written at the axis: powers of four, which are whole numbers from the least size on.
fn size_name(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1048576.0 => format!("{} MiB", bytes / 1048576.0),
        bytes if bytes >= 1024.0 => format!("{} KiB", bytes / 1024.0),
        bytes => format!("{bytes} B"),
    }
}

/// Colours that are told apart by most people who see some colours less well (Okabe and Ito's, and two more).
fn color(transport: Transport) -> RGBColor {
    match transport {
        Transport::Pipe => RGBColor(0x00, 0x00, 0x00),
        Transport::Unix => RGBColor(0x80, 0x80, 0x80),
        Transport::Posix => RGBColor(0xe6, 0x9f, 0x00),
        Transport::Memfd => RGBColor(0x56, 0xb4, 0xe9),
        Transport::Sysv => RGBColor(0x00, 0x9e, 0x73),
        Transport::Ring => RGBColor(0x00, 0x72, 0xb2),
        Transport::RingHandover => RGBColor(0xd5, 0x5e, 0x00),
        Transport::File => RGBColor(0x8c, 0x51, 0x0a),
        Transport::Fd => RGBColor(0xcc, 0x79, 0xa7),
    }
}
