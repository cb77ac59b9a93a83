-- What two other devices would have sent: a phone, and a second "laptop" whose id is lower than any real one.
INSERT INTO device (id, uuid, name, member) VALUES
	(50, x'ffffffffffff8fffbfffffffffffffff', 'phone', 1),
	(51, x'00000000000080008000000000000001', 'laptop', 1);
INSERT INTO location (id, device, prefix, name, path, root, version) VALUES
	(50, 50, 0x7111111111118111, 'camera', '/sdcard', 500000, 1),
	(51, 51, 0x7222222222228222, 'photos', '/home', 510000, 1);
INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, content, version) VALUES
	(500000, 50, 1, 0, '', 0x41ed, 0, 1000, NULL, 1),
	(500001, 50, 2, 500000, 'DCIM', 0x41ed, 0, 2000, NULL, 2),
	(500002, 50, 3, 500001, 'a.jpg', 0x81a4, 5000, 3000, x'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 3),
	(500003, 50, 4, 500001, 'link', 0xa1ff, 5, 3000, NULL, 4),
	(510000, 51, 1, 0, '', 0x41ed, 0, 1000, NULL, 1),
	(510001, 51, 2, 510000, 'b.jpg', 0x81a4, 7, 3000, NULL, 2);
