"""Which test shows which row of the contracts, and which test shows that a defect of the originals
is not here. test_contracts.py checks that nothing is missing and that everything named is there.

A row is (method, path, tests), a defect (what it was, tests); a test is FILE.FUNCTION without the
`test_` that both begin with. Defects of what is not built yet name the stage instead: LATER."""

LATER = 'external login and the OIDC provider, later'

AUTH = '/api/v1/auth'
TOTP = f'{AUTH}/totp'
KEYS = f'{AUTH}/webauthn'
ME = '/api/v1/users/me'
ORG = '/api/v1/organizations'

AUTHY2_ROWS = {
    1: ('GET', '/api/health', ['envelope.health_words']),
    2: ('POST', f'{AUTH}/register', ['auth.register_gives_user_and_tokens',
                                     'auth.register_refuses', 'auth.password_rules']),
    3: ('POST', f'{AUTH}/login', ['auth.login_gives_user_and_tokens',
                                  'auth.login_refuses_strangers_and_wrong_passwords_alike',
                                  'auth.sessions_last_a_day_or_remembered_a_month',
                                  'admin.suspend_and_reactivate',
                                  'passkeys_login.a_password_login_asks_for_the_passkey']),
    4: ('POST', f'{AUTH}/logout', ['auth.logout_kills_all_tokens_of_the_session']),
    5: ('GET', f'{AUTH}/me', ['auth.me', 'orgs.row_26_my_organizations']),
    6: ('GET', f'{AUTH}/sessions', ['auth.sessions_list_and_revoke']),
    7: ('DELETE', f'{AUTH}/sessions/{{id}}', ['auth.sessions_list_and_revoke',
                                              'auth.sessions_of_others_do_not_exist']),
    8: ('POST', f'{TOTP}/enroll', ['totp.row_8_enroll', 'totp.row_8_the_picture_says_the_address']),
    9: ('POST', f'{TOTP}/verify-enrollment', ['totp.row_9_verify_enrollment']),
    10: ('POST', f'{TOTP}/verify', ['totp.row_10_by_cookie_and_by_token', 'totp.row_10_refuses']),
    11: ('DELETE', f'{TOTP}/disable', ['totp.row_11_disable']),
    12: ('GET', f'{TOTP}/status', ['totp.row_12_status']),
    13: ('POST', f'{TOTP}/regenerate-backup-codes', ['totp.row_13_new_backup_codes']),
    14: ('POST', f'{KEYS}/register/begin', ['passkeys.row_14_register_begin']),
    15: ('POST', f'{KEYS}/register/complete', ['passkeys.row_15_register_complete',
                                               'passkeys.row_15_validation',
                                               'passkeys.row_15_refuses']),
    16: ('POST', f'{KEYS}/login/begin', ['passkeys_login.row_16_login_begin']),
    17: ('POST', f'{KEYS}/login/complete', ['passkeys_login.row_17_with_an_address_and_without',
                                            'passkeys_login.row_17_validation',
                                            'passkeys_login.row_17_refuses']),
    18: ('GET', f'{KEYS}/credentials', ['passkeys.rows_18_to_21_several_passkeys']),
    19: ('DELETE', f'{KEYS}/credentials/{{id}}', ['passkeys.rows_18_to_21_several_passkeys']),
    20: ('PATCH', f'{KEYS}/credentials/{{id}}', ['passkeys.rows_18_to_21_several_passkeys',
                                                 'passkeys.names_of_passkeys']),
    21: ('GET', f'{KEYS}/status', ['passkeys.rows_18_to_21_several_passkeys']),
    22: ('GET', ME, ['auth.profile_etag', 'auth.profile_conditional_get']),
    23: ('PATCH', ME, ['auth.profile_changes']),
    24: ('DELETE', ME, ['auth.defect_15_deletion_ends_everything']),
    25: ('POST', f'{ME}/password', ['auth.password_change', 'auth.password_rules']),
    26: ('GET', f'{ME}/organizations', ['orgs.row_26_my_organizations']),
    27: ('GET', f'{ME}/mfa-compliance', ['policy.row_27_my_compliance']),
    28: ('POST', ORG, ['orgs.row_28_create']),
    29: ('GET', f'{ORG}/{{org}}', ['orgs.row_29_show']),
    30: ('PATCH', f'{ORG}/{{org}}', ['orgs.row_30_update']),
    31: ('DELETE', f'{ORG}/{{org}}', ['orgs.row_31_delete']),
    32: ('GET', f'{ORG}/{{org}}/members', ['orgs.row_32_members']),
    33: ('POST', f'{ORG}/{{org}}/members', ['orgs.row_33_add']),
    34: ('DELETE', f'{ORG}/{{org}}/members/{{user}}', ['orgs.row_34_remove']),
    35: ('PATCH', f'{ORG}/{{org}}/members/{{user}}/role', ['orgs.row_35_role']),
    36: ('GET', f'{ORG}/{{org}}/security-policy', ['policy.row_36_show']),
    37: ('PUT', f'{ORG}/{{org}}/security-policy', ['policy.row_37_set']),
    38: ('GET', f'{ORG}/{{org}}/mfa-compliance', ['policy.row_38_list']),
    39: ('PATCH', f'{ORG}/{{org}}/users/{{user}}/security-policy', ['policy.row_39_exceptions']),
}

AUTHY2_DEFECTS = {
    1: ('a passkey login verified nothing', ['passkeys.row_15_refuses',
                                             'passkeys_login.row_17_refuses']),
    2: ('a code alone logged in', [
        'passkeys_login.defect_2_a_begun_passkey_login_is_nothing_to_the_codes',
        'totp_limits.defect_2_no_session_without_the_password']),
    3: ('the caller chose the clock, codes worked twice', [
        'totp_limits.defect_3_the_callers_clock_does_not_count',
        'totp_limits.50_at_once_with_one_app_code', 'totp_limits.five_tries_for_a_pending_login']),
    4: ('OIDC clients without their secret', LATER),
    5: ('PKCE skipped', LATER),
    6: ('open redirect', LATER),
    7: ('scripts in the sign-in page', LATER),
    8: ('no second factor at OIDC and external logins', LATER),
    9: ('OIDC revocation without effect', LATER),
    10: ('OIDC refresh with scopes never granted', LATER),
    11: ('ID tokens as access tokens', LATER),
    12: ('open client registration', LATER),
    13: ('removed admins kept their powers', ['orgs.fix_13_removed_members_are_nobody',
                                              'orgs.fix_13_deleted_organizations_are_gone']),
    14: ('admins became owners, the last owner left', [
        'orgs.fix_14_only_owners_touch_owners', 'orgs.fix_14_the_last_owner_stays',
        'orgs.fix_14_two_owners_at_once']),
    15: ('sessions outlived deletion, suspension, password change', [
        'auth.defect_15_deletion_ends_everything', 'auth.password_change',
        'sessions.a_new_password_ends_all_of_them', 'admin.suspend_and_reactivate']),
    16: ('a limited session changed provider configuration', LATER),
    17: ('the callback of external logins', LATER),
    18: ('external identities without a subject', LATER),
    19: ('unlinking without effect', LATER),
    20: ('select-organization trusted any state', LATER),
    21: ('replies told who has an account', [
        'auth.defect_21_unknown_accounts_take_as_long',
        'auth.lockout_does_not_tell_which_accounts_exist',
        'passkeys_login.defect_21_begin_does_not_tell_who_is_there',
        'totp_limits.defect_21_only_the_right_password_shows_that_there_is_a_factor',
        'mail.asking_for_a_reset_tells_nothing']),
    22: ('limits became 500, no lockout', [
        'auth.defect_22_five_failures_lock_account_and_address',
        'limits.logins_are_limited_per_address', 'totp_limits.defect_22_too_many_codes_are_429']),
    23: ('tokens and codes in the log', [
        'totp_limits.defects_23_and_24_no_secret_in_log_or_store']),
    24: ('tokens, secrets and keys stored in clear', [
        'totp_limits.defects_23_and_24_no_secret_in_log_or_store',
        'jose.the_private_key_is_sealed', 'mail.tokens_are_not_in_the_store']),
    25: ('passwords were cut at 72 bytes', ['auth.defect_25_no_password_is_cut_at_72_bytes',
                                            'totp_limits.defect_25_no_password_is_cut']),
    26: ('pending logins of a day, a cookie on every reply', [
        'totp_limits.defect_26_pending_logins_are_short_and_the_cookie_is_tight',
        'auth.defect_26_no_cookies']),
    27: ('built-in secrets', ['totp_limits.defect_27_every_server_has_keys_of_its_own']),
    28: ('unbounded request ids', ['auth.defect_28_request_ids_are_bounded',
                                   'totp_limits.defect_28_request_ids_are_bounded']),
    29: ('any session set up factors', [
        'totp_limits.defect_29_a_stale_session_cannot_set_up_a_factor',
        'totp_limits.defect_29_no_backup_codes_for_an_unproven_factor',
        'passkeys.registering_wants_a_fresh_login_or_the_password']),
    30: ('the peer was the client', [
        'totp_limits.defect_30_the_address_comes_from_the_socket',
        'http.forwarded_addresses_only_from_trusted_proxies']),
    31: ('500 for what is wrong, missing or back again', [
        'totp_limits.defect_31_a_wrong_backup_code_is_401',
        'auth.defect_31_a_deleted_address_may_come_back',
        'orgs.fix_31_a_slug_of_a_deleted_organization_is_free', 'orgs.fix_31_adding_again_works',
        'orgs.fix_31_nobody_is_404', 'orgs.fix_31_a_closed_account_may_come_back',
        'policy.fix_31_bad_numbers_of_a_query']),
    32: ('"either" meant both', ['policy.fix_32_either_is_enough']),
    33: ('no grace was for ever', ['policy.fix_33_no_grace_is_past_due_at_once']),
    34: ('suspended was overwritten, deadlines stayed', [
        'policy.fix_34_forces_are_used', 'policy.fix_34_deadlines_move_with_the_policy',
        'policy.fix_34_suspended_stays_suspended']),
    35: ('a second passkey replaced the first', ['passkeys.rows_18_to_21_several_passkeys']),
    36: ('logins and logouts left no record', ['audit.each_write_leaves_exactly_one_record',
                                               'audit.a_record_says_who_what_where',
                                               'audit.a_refused_login_leaves_one_record']),
    37: ('provider configuration that nobody used', LATER),
    38: ('each process had keys of its own', ['jose.keys_survive_a_restart',
                                              'jose.access_tokens_verify']),
}

GATEKEEPER_ROWS = {
    1: ('POST', '/register', ['gatekeeper.register', 'gatekeeper.register_checks_in_their_order',
                              'gatekeeper.register_missing_fields', 'gatekeeper.register_ages',
                              'gatekeeper.register_forms', 'gatekeeper.falsy_bodies',
                              'gatekeeper.malformed_bodies', 'gatekeeper.ten_per_minute_each']),
    2: ('POST', '/login', ['gatekeeper.login', 'gatekeeper.login_refusals',
                           'gatekeeper.five_failures_lock_for_a_minute', 'gatekeeper.token_claims',
                           'gatekeeper.ten_per_minute_each', 'gatekeeper.the_game_client',
                           'gatekeeper.every_login_failure_can_be_shown']),
    3: ('GET', '/profile', ['gatekeeper.profile', 'gatekeeper.token_errors']),
    4: ('GET', '/', ['gatekeeper.list', 'gatekeeper.token_errors', 'gatekeeper.promotion',
                     'gatekeeper.browsers_get_a_page_where_programs_get_the_list']),
    5: ('POST', '/', ['gatekeeper.add', 'gatekeeper.token_errors', 'gatekeeper.promotion']),
    6: ('PUT', '/{account}', ['gatekeeper.update', 'gatekeeper.update_refusals',
                              'gatekeeper.token_errors']),
    7: ('DELETE', '/{account}', ['gatekeeper.delete', 'gatekeeper.token_errors']),
    8: ('GET', '/test', ['gatekeeper.status_paths']),
    9: ('GET', '/db_check', ['gatekeeper.status_paths']),
    10: ('GET', '/health', ['gatekeeper.status_paths', 'envelope.health_words']),
}

GATEKEEPER_DEFECTS = {
    1: ('any token opened everything', [
        'gatekeeper_defects.defect_1_customers_are_their_own_business_only']),
    2: ('anybody took a free number', ['gatekeeper_defects.defect_2_registration_can_be_closed']),
    3: ('a hash could be planted', [
        'gatekeeper_defects.defect_3_a_hash_sent_as_password_is_hashed']),
    4: ('passwords were cut at 72 bytes', [
        'gatekeeper_defects.defect_4_no_password_is_cut_at_72_bytes']),
    5: ('accounts could be counted and locked out', [
        'gatekeeper_defects.defect_5_unknown_accounts_fail_and_lock_alike',
        'gatekeeper_defects.defect_5_unknown_accounts_take_as_long',
        'gatekeeper_defects.defect_5_nobody_locks_somebody_else_out',
        'gatekeeper_defects.defect_5_guessing_from_many_addresses_ends']),
    6: ('tokens outlived deletion and password change', [
        'gatekeeper_defects.defect_6_tokens_die_with_the_password_and_the_customer']),
    7: ('500 for bad values', ['gatekeeper_defects.defect_7_bad_values_are_400']),
    8: ('status replies told about the inside', [
        'gatekeeper_defects.defect_8_status_replies_tell_nothing_about_the_inside']),
    9: ('a list without bound', ['gatekeeper_defects.defect_9_the_list_has_pages']),
    10: ('foreign digits, tokens that chose their algorithm', [
        'gatekeeper_defects.defect_10_only_ascii_digits_and_only_twelve',
        'gatekeeper_defects.defect_10_a_token_does_not_choose_its_algorithm']),
    11: ('debug mode, names in logs, every origin', [
        'gatekeeper_defects.defect_11_no_names_in_the_log_and_no_origin_by_default']),
    12: ('failures at once were lost', [
        'gatekeeper_defects.defect_12_failures_at_once_all_count']),
}

ROWS = {'Authy2': (AUTHY2_ROWS, 39), 'Gatekeeper': (GATEKEEPER_ROWS, 10)}
DEFECTS = {'Authy2': (AUTHY2_DEFECTS, 38), 'Gatekeeper': (GATEKEEPER_DEFECTS, 12)}
