//! Two services of iceoryx2, one for each direction, made and used as in its own benchmark.

use std::mem::MaybeUninit;
use std::path::Path;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::sample_mut_uninit::SampleMutUninit;

use crate::Port;

pub struct Link {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    /// Loaned before it is needed, as there.
    next: Option<SampleMutUninit<ipc::Service, [MaybeUninit<u8>], ()>>,
    size: usize,
    _node: Node<ipc::Service>,
}

impl Link {
    /// Connects to the other process, which gives the same place.
    pub fn new(place: &Path, size: usize, asks: bool) -> Link {
        set_log_level(LogLevel::Error);
        let root = iceoryx2::prelude::Path::new(place.to_str().unwrap().as_bytes()).unwrap();
        let mut config = Config::default();
        config.global.set_root_path(&root);
        config.global.prefix = "selkie_bench_".try_into().unwrap();
        let node = NodeBuilder::new().config(&config).create::<ipc::Service>().unwrap();
        let service = |name: &str| {
            node.service_builder(&name.try_into().unwrap())
                .publish_subscribe::<[u8]>()
                .max_publishers(1)
                .max_subscribers(1)
                .history_size(0)
                .subscriber_max_buffer_size(1)
                .enable_safe_overflow(true)
                .open_or_create()
                .unwrap()
        };
        let (out, back) = if asks { ("a2b", "b2a") } else { ("b2a", "a2b") };
        let publisher = service(out).publisher_builder().initial_max_slice_len(size).create().unwrap();
        let subscriber = service(back).subscriber_builder().create().unwrap();
        let next = Some(publisher.loan_slice_uninit(size).unwrap());
        Link { publisher, subscriber, next, size, _node: node }
    }
}

impl Port for Link {
    fn send(&mut self, number: u64) {
        let mut sample = self.next.take().unwrap();
        let bytes = number.to_ne_bytes().map(MaybeUninit::new);
        let payload = sample.payload_mut();
        payload[..8].copy_from_slice(&bytes);
        payload[self.size - 8..].copy_from_slice(&bytes);
        // SAFETY: as in iceoryx2's own benchmark: the rest, which nobody reads, is what the memory holds.
        unsafe { sample.assume_init() }.send().unwrap();
        self.next = Some(self.publisher.loan_slice_uninit(self.size).unwrap());
    }

    fn receive(&mut self) -> u64 {
        loop {
            if let Some(sample) = self.subscriber.receive().unwrap() {
                let payload = sample.payload();
                let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
                let (first, last) = (number(&payload[..8]), number(&payload[self.size - 8..]));
                assert_eq!(first, last);
                return first;
            }
        }
    }
}
