<?php
// A receiver in PHP. With Apache: this file in DOCROOT/kzr, the .htaccess beside it in DOCROOT.
// To try it:  RECORDINGS=/tmp/recordings php -S 127.0.0.1:8080 index.php
// Use "url": "http://your.server.com/kzr" in the callflow. With RECORDINGS_SECRET=whsec_... in the environment
// it takes only what is signed with it (delivery.hosts: signing).

$folder = getenv('RECORDINGS') ?: '/tmp';

// Apache's rewrite rule gives the name as ?recording=; PHP's own server gives only the path.
$name = $_GET['recording'] ?? '';
if ($name === '' && preg_match('#/call_recording_([^/]+)$#', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), $found)) {
    $name = rawurldecode($found[1]);
}
if (!in_array($_SERVER['REQUEST_METHOD'], ['PUT', 'POST'], true)) {
    http_response_code(405);
    exit("send PUT or POST\n");
}
if (!preg_match('/^[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*$/', $name)) {
    http_response_code(400);
    exit("not a name of a recording\n");
}

// Standard Webhooks: d1 signs the Content-Digest header, so this is known before the body comes.
function signed(array $secrets): bool
{
    $when = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (!ctype_digit($when) || abs(time() - (int) $when) > 300) {
        return false;
    }
    $text = ($_SERVER['HTTP_WEBHOOK_ID'] ?? '') . ".$when." . ($_SERVER['HTTP_CONTENT_DIGEST'] ?? '');
    foreach ($secrets as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
        $good = 'd1,' . base64_encode(hash_hmac('sha256', $text, $key, true));
        foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $given) {
            if (hash_equals($good, $given)) {
                return true;
            }
        }
    }
    return false;
}

$secrets = preg_split('/\s+/', getenv('RECORDINGS_SECRET') ?: '', -1, PREG_SPLIT_NO_EMPTY); // two: one replaces the other
if ($secrets && !signed($secrets)) {
    http_response_code(401);
    exit("not signed with our secret\n");
}

// The body comes in as a stream: never the whole file in memory.
$part = "$folder/.$name.part";
$in = fopen('php://input', 'rb');
$out = fopen($part, 'wb');
$hash = hash_init('sha256');
while (!feof($in)) {
    $chunk = fread($in, 262144);
    hash_update($hash, $chunk);
    if (fwrite($out, $chunk) !== strlen($chunk)) {
        http_response_code(507); // no space: callflow tries again later
        exit("cannot write\n");
    }
}
fclose($out);
fclose($in);

$expected = $_SERVER['HTTP_CONTENT_DIGEST'] ?? '';
if ($expected !== '' && $expected !== 'sha-256=:' . base64_encode(hash_final($hash, true)) . ':') {
    unlink($part);
    http_response_code(400);
    exit("the digest does not fit\n");
}
rename($part, "$folder/$name"); // the same recording may come again: that is the same file
http_response_code(201);
echo "thank you\n";
