//! What the guest of `make test-vm` must have, so that no test there passes for want of it.
#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_guest_has_every_source_of_dmabufs() {
    if fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim() != "selkie-vm" {
        return support::skip_dmabuf("this is not the guest of make test-vm");
    }
    for path in ["/dev/udmabuf", "/dev/dma_heap/system"] {
        assert!(Path::new(path).exists(), "{path}");
    }

    // vgem's device is bound to no driver, and virtio_gpu's is behind the driver of its bus.
    let driver = |entry: fs::DirEntry| {
        let device = entry.path().join("device");
        let bound = fs::read_link(device.join("driver")).or_else(|_| fs::read_link(&device)).unwrap();
        bound.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let is_card = |entry: &fs::DirEntry| Path::new("/dev/dri").join(entry.file_name()).exists();
    let cards = fs::read_dir("/sys/class/drm").unwrap().map(Result::unwrap).filter(is_card);
    let drivers: BTreeSet<String> = cards.map(driver).collect();
    assert_eq!(drivers, ["cirrus", "vgem", "virtio-pci"].map(str::to_owned).into());

    let camera = fs::read_to_string("/sys/class/video4linux/video0/name").unwrap();
    assert!(camera.starts_with("vivid"), "{camera}");

    let limit = fs::read_to_string("/sys/module/udmabuf/parameters/size_limit_mb").unwrap();
    assert_eq!(limit.trim(), "256");
}
