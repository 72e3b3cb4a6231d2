//! Two rings in memfds, one for each direction.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use shm_core::fdpass;
use shm_core::own::OwnMemory;
use shm_core::ring::{Consumer, Geometry, Producer};
use shm_core::seals::Seals;

use crate::Port;

pub struct Ring {
    producer: Producer<OwnMemory>,
    consumer: Consumer<OwnMemory>,
}

fn geometry(size: usize) -> Geometry {
    Geometry { slots: 2, slot_size: size as u64 }
}

impl Ring {
    /// Makes both rings, and sends them.
    pub fn offer(stream: &mut UnixStream, size: usize) -> Ring {
        let geometry = geometry(size);
        let len = geometry.memory_len().unwrap();
        let memory = || OwnMemory::create("selkie-bench", len, Some(Seals::SHRINK | Seals::GROW)).unwrap();
        let (there, back) = (memory(), memory());
        fdpass::send(stream, b"rings", &[there.fd(), back.fd()]).unwrap();
        Ring {
            producer: Producer::create(there, geometry).unwrap(),
            consumer: Consumer::create(back, geometry).unwrap(),
        }
    }

    /// Gets both, and attaches once they are made.
    pub fn accept(stream: &mut UnixStream, size: usize) -> Ring {
        let len = geometry(size).memory_len().unwrap();
        let received = fdpass::recv(stream, &mut [0; 8], 2).unwrap();
        let map = |at: usize| {
            OwnMemory::map_shared(received.fds[at].as_fd().try_clone_to_owned().unwrap(), len).unwrap()
        };
        let consumer = loop {
            if let Ok(consumer) = Consumer::attach(map(0)) {
                break consumer;
            }
        };
        let producer = loop {
            if let Ok(producer) = Producer::attach(map(1)) {
                break producer;
            }
        };
        Ring { producer, consumer }
    }
}

impl Port for Ring {
    fn send(&mut self, number: u64) {
        let mut slot = self.producer.reserve().unwrap();
        let len = slot.len();
        // SAFETY: within the slot, whose length is a multiple of 8, as its place is.
        let write = |start: *mut u8, len: usize| unsafe {
            start.cast::<u64>().write(number);
            start.add(len - 8).cast::<u64>().write(number);
        };
        slot.run(write).unwrap();
        slot.commit(len).unwrap();
    }

    fn receive(&mut self) -> u64 {
        let frame = self.consumer.receive().unwrap();
        // SAFETY: within the frame; as above.
        let read = |start: *const u8, len: usize| unsafe {
            (start.cast::<u64>().read(), start.add(len - 8).cast::<u64>().read())
        };
        let (first, last) = frame.run(read).unwrap();
        assert_eq!(first, last);
        first
    }
}
