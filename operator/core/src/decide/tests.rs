//! Rules of deciding: facts made by hand go in, a decision comes out.
