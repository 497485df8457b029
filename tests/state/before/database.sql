BEGIN TRANSACTION;
CREATE TABLE attempts (
        delivery_id  TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        number       INTEGER NOT NULL,
        started_wall REAL NOT NULL,
        seconds      REAL NOT NULL,
        outcome      TEXT NOT NULL,
        status       INTEGER,
        address      TEXT NOT NULL,
        error        TEXT NOT NULL,
        answer       BLOB NOT NULL,
        PRIMARY KEY (delivery_id, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "attempts" VALUES('d-blocked',1,1795000001.0,0.1,'fault',500,'','the receiver answered 500',X'');
INSERT INTO "attempts" VALUES('d-dead',1,1795000001.0,0.1,'fault',500,'','the receiver answered 500',X'');
INSERT INTO "attempts" VALUES('d-delivered',1,1795000001.0,0.1,'fault',500,'','the receiver answered 500',X'');
INSERT INTO "attempts" VALUES('d-waiting',1,1795000001.0,0.1,'fault',500,'','the receiver answered 500',X'');
CREATE TABLE changes (
        account_id   TEXT NOT NULL,
        kind         TEXT NOT NULL,
        document_id  TEXT NOT NULL,
        patch        TEXT NOT NULL,
        revision     INTEGER NOT NULL,
        changed_wall REAL NOT NULL,
        PRIMARY KEY (account_id, kind, document_id)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "changes" VALUES('acme','vmbox','101','{"pin":"1"}',3,1795000000.0);
CREATE TABLE "deliveries" (
        id            TEXT PRIMARY KEY,
        recording_id  TEXT REFERENCES recordings (id) ON DELETE CASCADE,
        kind          TEXT NOT NULL,
        url           TEXT NOT NULL,
        host          TEXT NOT NULL,
        method        TEXT NOT NULL,
        database      TEXT NOT NULL,
        file          TEXT NOT NULL,
        content_type  TEXT NOT NULL,
        sha256        TEXT NOT NULL,
        bytes         INTEGER NOT NULL,
        state         TEXT NOT NULL,
        attempts      INTEGER NOT NULL,
        fast_failures INTEGER NOT NULL,
        slow_failures INTEGER NOT NULL,
        created_wall  REAL NOT NULL,
        since_wall    REAL NOT NULL,
        next_wall     REAL NOT NULL,
        finished_wall REAL NOT NULL,
        last_status   INTEGER,
        last_error    TEXT NOT NULL,
        lease_owner   TEXT NOT NULL,
        lease_until   REAL NOT NULL,
        message       TEXT NOT NULL DEFAULT ''
    ) STRICT;
INSERT INTO "deliveries" VALUES('d-cancelled','old-cancelled','http','http://127.0.0.1:9/in/old-cancelled.wav','127.0.0.1:9','put','','outbox/old-cancelled.wav','audio/wav','6129181ed69e586efe6c2faea553a979d260f53a1dfa028433c9d3ab860082ee',13,'CANCELLED',1,0,0,1795000000.0,1795000000.0,0.0,1795000002.0,NULL,'','',0.0,'');
INSERT INTO "deliveries" VALUES('d-blocked','old-blocked','http','http://127.0.0.1:9/in/old-blocked.wav','127.0.0.1:9','put','','outbox/old-blocked.wav','audio/wav','879684e7a40fb60ed3772b75a973b0c9c53d9558884030ffa200959afbb0f660',11,'BLOCKED',1,0,0,1795000000.0,1795000000.0,1795000002.0,1795000002.0,500,'the receiver answered 500','',0.0,'');
INSERT INTO "deliveries" VALUES('d-dead','old-dead','http','http://127.0.0.1:9/in/old-dead.wav','127.0.0.1:9','put','','outbox/old-dead.wav','audio/wav','72112fc5ce57dab4a0836e087f901a10269133e08cd61edfa54b817fa2386bd3',8,'DEAD',1,0,0,1795000000.0,1795000000.0,1795000002.0,1795000002.0,500,'the receiver answered 500','',0.0,'');
INSERT INTO "deliveries" VALUES('d-delivered','old-delivered','http','http://127.0.0.1:9/in/old-delivered.wav','127.0.0.1:9','put','','outbox/old-delivered.wav','audio/wav','dc90aa1d4d93f1cf6b4f7b493e335d9d5dfa7d438fa7fb10d7dbe3b46651a919',13,'DELIVERED',1,0,0,1795000000.0,1795000000.0,1795000002.0,1795000002.0,500,'the receiver answered 500','',0.0,'');
INSERT INTO "deliveries" VALUES('d-sending','old-sending','http','http://127.0.0.1:9/in/old-sending.wav','127.0.0.1:9','put','','outbox/old-sending.wav','audio/wav','164f6cdefc430572062ae9a5e270d5f549c00b3cc52c588f5f197af1f00c93cb',11,'SENDING',1,0,0,1795000000.0,1795000000.0,0.0,0.0,NULL,'','4711-dead',1795000061.0,'');
INSERT INTO "deliveries" VALUES('d-waiting','old-waiting','http','http://127.0.0.1:9/in/old-waiting.wav','127.0.0.1:9','put','','outbox/old-waiting.wav','audio/wav','d250b3ca1a2503f9c17542f80a8d759f416e170cedcf5a646268b7f470240401',11,'WAITING',1,1,0,1795000000.0,1795000000.0,1795000007.0,0.0,500,'the receiver answered 500','',0.0,'');
INSERT INTO "deliveries" VALUES('d-queued','old-queued','http','http://127.0.0.1:9/in/old-queued.wav','127.0.0.1:9','put','','outbox/old-queued.wav','audio/wav','bada9eafafe9869e14c9060e8b311c2ee14e6a44f2a2303bf1c76be81ef77010',10,'QUEUED',0,0,0,1795000000.0,1795000000.0,0.0,0.0,NULL,'','',0.0,'');
INSERT INTO "deliveries" VALUES('e-recording','old-local','event','http://127.0.0.1:9/event/1','127.0.0.1:9','post','','','application/json','',7,'QUEUED',0,0,0,1795000000.0,1795000000.0,0.0,0.0,NULL,'','',0.0,'{"body": {"n": 1}, "call_id": "call-old-local", "application_id": "", "api_key": "", "secret": "x"}');
INSERT INTO "deliveries" VALUES('e-call',NULL,'event','http://127.0.0.1:9/event/2','127.0.0.1:9','post','','','application/json','',7,'QUEUED',0,0,0,1795000000.0,1795000000.0,0.0,0.0,NULL,'','',0.0,'{"body": {"n": 2}, "call_id": "call-x", "application_id": "", "api_key": "", "secret": ""}');
CREATE TABLE recordings (
        id            TEXT PRIMARY KEY,
        call_id       TEXT NOT NULL,
        account_id    TEXT NOT NULL,
        state         TEXT NOT NULL,
        reason        TEXT NOT NULL,
        message       TEXT NOT NULL,
        origin        TEXT NOT NULL,
        label         TEXT NOT NULL,
        media_name    TEXT NOT NULL,
        format        TEXT NOT NULL,
        channels      INTEGER NOT NULL,
        rate          INTEGER NOT NULL,
        samples       INTEGER NOT NULL,
        bytes         INTEGER NOT NULL,
        sha256        TEXT NOT NULL,
        file          TEXT NOT NULL,
        target_kind   TEXT NOT NULL,
        url           TEXT NOT NULL,
        method        TEXT NOT NULL,
        recovered     INTEGER NOT NULL,
        started_wall  REAL NOT NULL,
        finished_wall REAL NOT NULL,
        document      TEXT NOT NULL
    ) STRICT;
INSERT INTO "recordings" VALUES('old-cancelled','call-old-cancelled','acme','READY','hangup','','callflow : t','','7f7f7d3490cdaf5a78d2f8a104ad7a6e.wav','wav',2,8000,8000,13,'6129181ed69e586efe6c2faea553a979d260f53a1dfa028433c9d3ab860082ee','outbox/old-cancelled.wav','http','http://127.0.0.1:9/in/old-cancelled.wav','put',0,1794999995.0,1795000000.0,'{"name": "7f7f7d3490cdaf5a78d2f8a104ad7a6e.wav", "description": "recording 7f7f7d3490cdaf5a78d2f8a104ad7a6e.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "0df84ec4-0be3-f252-973f-1bee59a59a78", "cdr_id": "202611-0df84ec4-0be3-f252-973f-1bee59a59a78", "interaction_id": "63962475183-8bb5424e", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475183, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_0df84ec4-0be3-f252-973f-1bee59a59a78.wav"}');
INSERT INTO "recordings" VALUES('old-blocked','call-old-blocked','acme','READY','hangup','','callflow : t','','7bf33019ec6e23783423f547df7f2a9f.wav','wav',2,8000,8000,11,'879684e7a40fb60ed3772b75a973b0c9c53d9558884030ffa200959afbb0f660','outbox/old-blocked.wav','http','http://127.0.0.1:9/in/old-blocked.wav','put',0,1794999995.0,1795000000.0,'{"name": "7bf33019ec6e23783423f547df7f2a9f.wav", "description": "recording 7bf33019ec6e23783423f547df7f2a9f.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "7020fb71-0ae4-bb12-674b-fca2c9bf14c9", "cdr_id": "202611-7020fb71-0ae4-bb12-674b-fca2c9bf14c9", "interaction_id": "63962475188-dbc8e759", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475188, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_7020fb71-0ae4-bb12-674b-fca2c9bf14c9.wav"}');
INSERT INTO "recordings" VALUES('old-dead','call-old-dead','acme','READY','hangup','','callflow : t','','9d8fd5ef1b4cfd6432e3d4923d1de1f3.wav','wav',2,8000,8000,8,'72112fc5ce57dab4a0836e087f901a10269133e08cd61edfa54b817fa2386bd3','outbox/old-dead.wav','http','http://127.0.0.1:9/in/old-dead.wav','put',0,1794999995.0,1795000000.0,'{"name": "9d8fd5ef1b4cfd6432e3d4923d1de1f3.wav", "description": "recording 9d8fd5ef1b4cfd6432e3d4923d1de1f3.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "e3030902-62b7-c9d5-868d-02b7e6536c69", "cdr_id": "202611-e3030902-62b7-c9d5-868d-02b7e6536c69", "interaction_id": "63962475191-27d593ee", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475191, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_e3030902-62b7-c9d5-868d-02b7e6536c69.wav"}');
INSERT INTO "recordings" VALUES('old-delivered','call-old-delivered','acme','READY','hangup','','callflow : t','','96bba417f59ee8e1d1a2aa8604d71067.wav','wav',2,8000,8000,13,'dc90aa1d4d93f1cf6b4f7b493e335d9d5dfa7d438fa7fb10d7dbe3b46651a919','outbox/old-delivered.wav','http','http://127.0.0.1:9/in/old-delivered.wav','put',0,1794999995.0,1795000000.0,'{"name": "96bba417f59ee8e1d1a2aa8604d71067.wav", "description": "recording 96bba417f59ee8e1d1a2aa8604d71067.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "3003a593-cb64-0c1e-03de-7ea92351d9d1", "cdr_id": "202611-3003a593-cb64-0c1e-03de-7ea92351d9d1", "interaction_id": "63962475196-c23d9ae0", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475196, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_3003a593-cb64-0c1e-03de-7ea92351d9d1.wav"}');
INSERT INTO "recordings" VALUES('old-sending','call-old-sending','acme','READY','hangup','','callflow : t','','f21a28736270a4ba6faa82f591a65f74.wav','wav',2,8000,8000,11,'164f6cdefc430572062ae9a5e270d5f549c00b3cc52c588f5f197af1f00c93cb','outbox/old-sending.wav','http','http://127.0.0.1:9/in/old-sending.wav','put',0,1794999995.0,1795000000.0,'{"name": "f21a28736270a4ba6faa82f591a65f74.wav", "description": "recording f21a28736270a4ba6faa82f591a65f74.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "a8cfbbc7-b2cf-7392-34e8-25a2705d65e8", "cdr_id": "202611-a8cfbbc7-b2cf-7392-34e8-25a2705d65e8", "interaction_id": "63962475201-8e19d09e", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475201, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_a8cfbbc7-b2cf-7392-34e8-25a2705d65e8.wav"}');
INSERT INTO "recordings" VALUES('old-waiting','call-old-waiting','acme','READY','hangup','','callflow : t','','38389f746afa38af8418e536c44533d7.wav','wav',2,8000,8000,11,'d250b3ca1a2503f9c17542f80a8d759f416e170cedcf5a646268b7f470240401','outbox/old-waiting.wav','http','http://127.0.0.1:9/in/old-waiting.wav','put',0,1794999995.0,1795000000.0,'{"name": "38389f746afa38af8418e536c44533d7.wav", "description": "recording 38389f746afa38af8418e536c44533d7.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "4dd71e33-d50c-3e56-ed16-c4a6133194bd", "cdr_id": "202611-4dd71e33-d50c-3e56-ed16-c4a6133194bd", "interaction_id": "63962475206-1dd2301a", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475206, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_4dd71e33-d50c-3e56-ed16-c4a6133194bd.wav"}');
INSERT INTO "recordings" VALUES('old-queued','call-old-queued','acme','READY','hangup','','callflow : t','','7a71737e68e51b71d6f870e7eebb3879.wav','wav',2,8000,8000,10,'bada9eafafe9869e14c9060e8b311c2ee14e6a44f2a2303bf1c76be81ef77010','outbox/old-queued.wav','http','http://127.0.0.1:9/in/old-queued.wav','put',0,1794999995.0,1795000000.0,'{"name": "7a71737e68e51b71d6f870e7eebb3879.wav", "description": "recording 7a71737e68e51b71d6f870e7eebb3879.wav", "content_type": "audio/wav", "media_type": "wav", "media_source": "recorded", "source_type": "callflow", "call_id": "2eff06e0-7300-e8a4-a200-1f1374cb28d2", "cdr_id": "202611-2eff06e0-7300-e8a4-a200-1f1374cb28d2", "interaction_id": "63962475211-47c9606c", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475211, "duration": 1, "duration_ms": 1000, "url": "http://127.0.0.1:9/in/call_recording_2eff06e0-7300-e8a4-a200-1f1374cb28d2.wav"}');
INSERT INTO "recordings" VALUES('old-local','39408141-e578-f0ad-1e44-78bdfe8fe7e2','acme','READY','hangup','','callflow : t','','6b1a291f6269d4e6ddfa85642c4fc8ad.mp3','mp3',2,8000,8000,9792,'669f8bd7f6c10ae84096c5932915e152010beb3936198c248954ea8843a939c2','media/202611/old-local.mp3','local','','put',0,1794999995.0,1795000000.0,'{"name": "6b1a291f6269d4e6ddfa85642c4fc8ad.mp3", "description": "recording 6b1a291f6269d4e6ddfa85642c4fc8ad.mp3", "content_type": "audio/mpeg", "media_type": "mp3", "media_source": "recorded", "source_type": "callflow", "call_id": "39408141-e578-f0ad-1e44-78bdfe8fe7e2", "cdr_id": "202611-39408141-e578-f0ad-1e44-78bdfe8fe7e2", "interaction_id": "63962475267-68077cec", "from": "1000@localhost", "to": "100@localhost", "request": "100@localhost", "direction": "inbound", "caller_id_number": "1000", "caller_id_name": "1000", "callee_id_number": "100", "callee_id_name": "100", "account_id": "account", "origin": "callflow : t", "custom_channel_vars": {"Account-ID": "account", "Caller-ID-Number": "1000"}, "start": 63962475267, "duration": 1, "duration_ms": 1000}');
INSERT INTO "recordings" VALUES('old-failed','call-old-failed','acme','FAILED','','','','','','',0,0,0,0,'','','local','','put',0,1794999991.0,0.0,'{"from": "+15551234@example.org", "caller_id_name": "Ann"}');
INSERT INTO "recordings" VALUES('old-lost','call-old-lost','acme','RECORDING','','','','','','',0,0,0,0,'','','local','','put',0,1794999991.0,0.0,'{"from": "+15551234@example.org", "caller_id_name": "Ann"}');
INSERT INTO "recordings" VALUES('old-spool','call-old-spool','acme','RECORDING','','','','','','',0,0,0,0,'','','local','','put',0,1794999991.0,0.0,'{"from": "+15551234@example.org", "caller_id_name": "Ann"}');
CREATE TABLE urls (
        resource     TEXT PRIMARY KEY,
        url          TEXT NOT NULL,
        recording_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-blocked.wav','http://127.0.0.1:9/in/old-blocked.wav','old-blocked');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-cancelled.wav','http://127.0.0.1:9/in/old-cancelled.wav','old-cancelled');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-dead.wav','http://127.0.0.1:9/in/old-dead.wav','old-dead');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-delivered.wav','http://127.0.0.1:9/in/old-delivered.wav','old-delivered');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-queued.wav','http://127.0.0.1:9/in/old-queued.wav','old-queued');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-sending.wav','http://127.0.0.1:9/in/old-sending.wav','old-sending');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-spool.wav','http://127.0.0.1:9/in/old-spool.wav','old-spool');
INSERT INTO "urls" VALUES('http://127.0.0.1:9/in/old-waiting.wav','http://127.0.0.1:9/in/old-waiting.wav','old-waiting');
CREATE INDEX recordings_started ON recordings (started_wall);
CREATE INDEX recordings_call ON recordings (call_id);
CREATE INDEX urls_recording ON urls (recording_id);
CREATE INDEX recordings_mailbox ON recordings (account_id, json_extract(document, '$.mailbox_id'))
        WHERE origin = 'voicemail';
CREATE INDEX deliveries_recording ON deliveries (recording_id);
CREATE INDEX deliveries_created ON deliveries (created_wall);
CREATE INDEX deliveries_due ON deliveries (host, next_wall) WHERE state IN ('QUEUED', 'WAITING');
CREATE INDEX deliveries_next ON deliveries (next_wall) WHERE state IN ('QUEUED', 'WAITING');
CREATE INDEX deliveries_sending ON deliveries (lease_owner) WHERE state = 'SENDING';
CREATE INDEX deliveries_leftover ON deliveries (id) WHERE state = 'DELIVERED' AND file <> '';
CREATE INDEX recordings_open ON recordings (started_wall)
        WHERE state IN ('WAITING', 'RECORDING', 'MASKED', 'PAUSED');
PRAGMA user_version = 5;
COMMIT;
