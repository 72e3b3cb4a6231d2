//! Windows: from the first commit to the last.

use crate::testing::Fixture;

const RED: u32 = 0xff0000;
const BLUE: u32 = 0x0000ff;

#[test]
fn a_window_is_configured_acked_and_shown_in_the_middle() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let window = client.window("a");
    window.surface.commit();
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: can Maximize Fullscreen", "a: bounds 300x200", "a: 0x0 []"]);
    client.ack(&window);
    client.draw(&window.surface, (100, 80), RED);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["a: 0x0 [Activated]"]);
    assert_eq!(fixture.corner(&window), (100, 60));
    assert_eq!(fixture.pixel(100, 60), RED);
    assert_eq!(fixture.pixel(199, 139), RED);
    assert_ne!(fixture.pixel(99, 60), RED);
    assert_ne!(fixture.pixel(200, 139), RED);
}
