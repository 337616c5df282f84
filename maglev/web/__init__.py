"""The live page: what maglevd knows, in a browser, as it changes, and the orders that operators give there.

`row_reader` calls the verbs and keeps what they return in one `row_store` for all pages; `feed` makes a frame of each
change, encoded once. `streams` sends frames to pages as server-sent events (HTML standard, 9.2). `gate` decides who may
ask, `sessions` remembers who logged in, and `orders` passes orders on. `site` puts it together; the page itself is in
``static``.

Rules:

* Reaches the daemon through `IControl`, bound to the caller of the session; what the pages show is read as a viewer.
* A page that reads slowly is sent a new snapshot, and never holds more than a piece of one.
* Costs nothing to speak of while nobody looks, and a bounded share of the time while somebody does.
* The browser gets no script and no style but the files in ``static``; text from outside is text there, never markup.
"""
