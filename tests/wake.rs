//! Sleep and wake with edge and operator together: one write for each wake, nobody lost, and how long it takes beside
//! the least that it could take.

#[path = "wake/crowd.rs"]
mod crowd;
#[path = "wake/floor.rs"]
mod floor;
#[expect(dead_code, reason = "edges that take over are for another suite")]
#[path = "wake/scene.rs"]
mod scene;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;

use std::time::Duration;

use understudy_bed::{Profile, testing::Outcome};
use understudy_fakes::Operator;

use stage::block_on;

/// How long a preview stays awake: for a look at what is written, and for a look at the time.
const SOON: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(15);

#[test]
#[ignore = "needs a fleet bed: cargo verify --only wake"]
fn sleepers_are_woken_by_one_write_each() -> Outcome {
    block_on(crowd::crowds(Profile::Fleet, SOON, &[(1, 1), (10, 1)]))
}

#[test]
#[ignore = "needs a fleet bed and a quiet machine: cargo verify --long wake"]
fn long_wakes_beside_the_least_they_could_take() -> Outcome {
    Operator::choose(Operator::release()?);
    block_on(crowd::crowds(Profile::Fleet, LATER, &[(1, 10), (25, 3), (100, 3)]))
}
