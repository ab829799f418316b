//! Looks for input that breaks the property `headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| understudy_properties::headers(input));
