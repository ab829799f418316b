//! The whole operator on a real API server with fake pods: what it costs, how it scales, what it does about
//! images, edits and teardowns that are in its way.

#![expect(
    clippy::indexing_slicing,
    reason = "a manifest without that field is a test that is wrong"
)]

mod stage;
mod stories;

use understudy_bed::testing::Outcome;

use stage::block_on;
use stories::{contest, follow, images, process, scale, sight, teardown};

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn opening_pushing_and_closing_write_what_they_must_and_no_more() -> Outcome {
    block_on(scale::costs(0))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --long story"]
fn long_two_hundred_previews_and_one_more() -> Outcome {
    block_on(scale::costs(200))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn idle_previews_cost_nothing() -> Outcome {
    block_on(scale::idle(10, 30))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --long story"]
fn long_fifty_idle_previews_cost_nothing_for_ten_minutes() -> Outcome {
    block_on(scale::idle(50, 600))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn image_that_comes_late_is_waited_for_without_a_pod() -> Outcome {
    block_on(images::late(10))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --long story"]
fn long_image_that_comes_ninety_seconds_late_is_waited_for() -> Outcome {
    block_on(images::late(90))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn image_that_never_comes_is_refused_at_its_deadline() -> Outcome {
    block_on(images::never())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn tag_that_moves_later_changes_nothing() -> Outcome {
    block_on(images::moved())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn refusals_of_a_registry_are_told_apart() -> Outcome {
    block_on(images::manners())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn foreign_edits_are_put_back_three_times_and_then_left() -> Outcome {
    block_on(contest::edits())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn namespace_deleted_by_hand_is_built_again() -> Outcome {
    block_on(teardown::by_hand())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn finalizer_that_holds_a_teardown_is_named_and_nobody_else_waits() -> Outcome {
    block_on(teardown::held())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn reopened_at_once_is_a_fresh_one() -> Outcome {
    block_on(teardown::reopened())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn nothing_is_decided_before_every_kind_was_seen() -> Outcome {
    block_on(sight::cold())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn namespace_that_no_list_shows_is_removed_all_the_same() -> Outcome {
    block_on(sight::blind())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn status_is_said_even_if_no_event_can_be_made() -> Outcome {
    block_on(sight::speechless())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn operator_tells_how_it_is_and_ends_in_order() -> Outcome {
    block_on(process::tells_and_ends())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn two_operators_take_turns() -> Outcome {
    block_on(process::takes_turns())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn what_fails_for_long_is_tried_ever_more_seldom() -> Outcome {
    block_on(sight::patient())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn template_is_followed_by_removing_and_making_anew() -> Outcome {
    block_on(follow::template())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn secrets_are_given_to_the_trusted_and_told_to_nobody() -> Outcome {
    block_on(follow::secrets())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only story"]
fn preview_is_warned_stopped_and_brought_back() -> Outcome {
    block_on(follow::time())
}
