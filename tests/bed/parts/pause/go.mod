module understudy.dev/tests/bed/parts/pause

go 1.26
