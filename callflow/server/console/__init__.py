"""Layer 6: the console: one web page that asks the HTTP API, and the route that serves its files.

A page of plain HTML, CSS and ES modules: nothing is built, nothing comes from elsewhere. Where to look:

    pages            the files, served at /console/ with what they may do (Content-Security-Policy)
    page/index.html  the frame of the page
    page/style.css   colours, type, controls; page/views.css: what each view looks like
    page/app.js      the start: who is signed in, which view is shown, keys
    page/api.js      asks the API; page/stream.js: hears its live stream
    page/dom.js      elements from data, always as text; page/format.js: times, lengths, sizes as texts
    page/dialogs.js  questions, what is said in passing, the list of keys
    page/frame.js    the frame that lists share: a list beside what is chosen, pages
    page/picture.js  a flow's drawing, taken from the API's SVG element by element
    page/calls.js, page/call.js             live calls, and one of them
    page/recordings.js, page/recording.js   recordings, and one of them
    page/waveform.js                        its sound drawn, and played
    page/deliveries.js, page/flows.js, page/text.js, page/settings.js   the other views
"""
