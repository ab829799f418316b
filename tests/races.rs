//! Sleep and wake on real pods: what becomes of requests that meet a preview on its way to bed, to its end, or through
//! another edge.

#[path = "wake/crowd.rs"]
mod crowd;
#[path = "wake/floor.rs"]
mod floor;
#[path = "wake/meetings.rs"]
mod meetings;
#[path = "wake/scene.rs"]
mod scene;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;

use std::time::Duration;

use understudy_bed::{Profile, testing::Outcome};
use understudy_fakes::Operator;

use stage::block_on;

#[test]
#[ignore = "needs a node bed: cargo verify --only races"]
fn request_meets_sleep_and_nobody_is_lost() -> Outcome {
    block_on(meetings::races(8, 40))
}

#[test]
#[ignore = "needs a node bed: cargo verify --long races"]
fn long_request_meets_sleep_a_thousand_times_and_nobody_is_lost() -> Outcome {
    block_on(meetings::races(16, 1_000))
}

#[test]
#[ignore = "needs a node bed and a quiet machine: cargo verify --long races"]
fn long_real_pods_are_woken_beside_the_least_it_could_take() -> Outcome {
    Operator::choose(Operator::release()?);
    block_on(crowd::crowds(Profile::Node, Duration::from_secs(15), &[(1, 5), (10, 3)]))
}
