//! Looks for input that breaks the property `framing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| understudy_properties::framing(input));
