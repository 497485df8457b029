"""Layer 4: NCCO, the Vonage Voice API's dialect, on the calls, recordings and deliveries of callflows.

``script.py`` a document as actions · ``moves.py`` what an action can decide · ``runner.py`` walks a script over a
call · ``session.py`` what a call's actions share: its application, conversation, legs and webhooks ·
``application.py`` the account's applications · ``uuids.py`` names · ``events.py`` bodies of webhooks ·
``actions/`` one file per action.
"""
