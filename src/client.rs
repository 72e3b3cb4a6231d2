//! `selkie client`.

use std::process::ExitCode;

use selkie_client::{Config, Scene, Statistics};

use crate::cli::ClientArgs;
use crate::exit::Outcome;

/// Shows the pattern, and prints what came of it.
pub fn run(args: ClientArgs) -> Outcome {
    let statistics = selkie_client::run(config(args))?;
    print(&statistics);
    Ok(ExitCode::SUCCESS)
}

fn config(args: ClientArgs) -> Config {
    Config {
        title: args.title,
        pattern: args.pattern,
        size: args.size,
        format: args.format,
        alpha: args.alpha,
        buffers: args.buffers,
        frames: args.frames,
        hold: args.hold,
        pace: !args.no_pace,
        redraw: args.redraw,
        memory: args.memory,
        seals: args.seals.0,
        scene: Scene {
            transform: args.transform,
            scale: args.scale,
            viewport_source: args.crop,
            viewport_destination: args.scale_to,
            subsurfaces: args.subsurface,
            stride_padding: args.stride_padding,
            offset: args.offset,
            freeze_main_after: args.freeze_main_after,
            ..Scene::default()
        },
        shrink_after: args.shrink_after,
        report: args.report,
        signals: true,
        ..Config::default()
    }
}

fn print(s: &Statistics) {
    println!(
        "{} {} {}, {} in {:.2} s ({:.1}/s)",
        s.pattern,
        s.size,
        s.format,
        plural(s.presented),
        s.seconds,
        s.rate
    );
    let latency = |name: &str, l: &selkie_client::Latency| {
        if l.count > 0 {
            println!("  {name}: p50 {} us, p99 {} us", l.p50_us, l.p99_us);
        }
    };
    latency("commit to present", &s.commit_to_present);
    latency("commit to release", &s.commit_to_release);
    println!("  shown without a copy, says the compositor: {} of {}", s.zero_copy, s.presented);
    if let Some(shrink) = &s.shrink {
        println!("  ftruncate from {} to {} bytes: {}", shrink.from, shrink.to, shrink.text);
    }
    match &s.first_record {
        Some(r) => println!(
            "  the compositor's ledger: {} of {} bytes, seals {}, {}; policy {}{}, {}; {}, {} bytes copied",
            r.kind,
            r.size,
            r.seals_text(),
            r.verdict,
            r.policy,
            if r.adopted { " (seal added)" } else { "" },
            if r.guarded { "read under a guard" } else { "never mapped" },
            r.path,
            s.records.iter().map(|r| r.bytes_copied).sum::<u64>(),
        ),
        None => println!("  the compositor keeps no ledger"),
    }
}

fn plural(frames: u64) -> String {
    if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") }
}
